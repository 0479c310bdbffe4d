from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

BASE = "https://origin.example/vod/show/master.m3u8"
MASTER = b"""#EXTM3U
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",URI="/vod/audio/en.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=6000000,RESOLUTION=1920x1080,AUDIO="a"
https://cdn.example/v/1080.m3u8?k=1
#EXT-X-STREAM-INF:BANDWIDTH=3000000,RESOLUTION=1280x720,AUDIO="a"
720.m3u8
"""
MEDIA = b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n1.ts\n#EXT-X-ENDLIST\n"
MPD = b"""<?xml version="1.0" encoding="utf-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT6S">
  <Period><AdaptationSet contentType="video" mimeType="video/mp4">
    <SegmentTemplate media="https://cdn.example/v/$Number$.m4s?a=1&amp;b=2" duration="6"/>
    <Representation id="hi" bandwidth="6000000" width="1920" height="1080"/>
    <Representation id="lo" bandwidth="3000000" width="1280" height="720"/>
  </AdaptationSet></Period>
</MPD>
"""
ORIGINS = ("--origin", "vod=https://origin.example/vod/", "--origin", "cdn=https://cdn.example/")
ODD = {
    "CRLF": MASTER.replace(b"\n", b"\r\n"),
    "a BOM": b"\xef\xbb\xbf" + MASTER,
    "no final newline": MASTER.rstrip(b"\n"),
    "mixed line ends": MASTER.replace(b"\n", b"\r\n", 3),
    "blank lines and spaces": MASTER.replace(b"\n", b"  \n\n"),
    "an MPD with CRLF": MPD.replace(b"\n", b"\r\n"),
    "an MPD with a BOM": b"\xef\xbb\xbf" + MPD,
}


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How ``kawa manifest`` ended; its output is bytes, for bytes are what it is about."""

    status: int
    out: bytes
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.decode().split("\n") if line]


async def run(*arguments: str | Path, stdin: bytes = b"") -> Ended:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "config.launch", "manifest", *map(str, arguments)),
        env={name: value for name, value in os.environ.items() if not name.startswith("KAWA_")},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            out, err = await process.communicate(stdin)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    assert b"Traceback" not in err, err.decode()
    return Ended(status=process.returncode, out=out, err=err.decode())


@pytest.fixture
def master(tmp_path: Path) -> Path:
    return written(tmp_path / "master.m3u8", MASTER)


@pytest.fixture
def mpd(tmp_path: Path) -> Path:
    return written(tmp_path / "manifest.mpd", MPD)


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    async def good(_: web.Request) -> web.Response:
        return web.Response(body=MASTER)

    async def moved(_: web.Request) -> web.Response:
        raise web.HTTPFound("/vod/deep/er/master.m3u8")

    async def large(_: web.Request) -> web.Response:
        return web.Response(body=b"#EXTM3U\n" + b"#" * (9 * 1024 * 1024))

    app = web.Application()
    app.router.add_get("/vod/show/master.m3u8", good)
    app.router.add_get("/vod/deep/er/master.m3u8", good)
    app.router.add_get("/moved.m3u8", moved)
    app.router.add_get("/large.m3u8", large)
    running = TestServer(app)
    async with running:
        yield running


async def test_without_options_the_output_is_the_input_byte_for_byte(tmp_path: Path) -> None:
    files = [written(tmp_path / name, data) for name, data in ODD.items()]

    together = await run(*files)
    listed = await run("--format", "json", *files)

    assert (together.status, together.err) == (0, "")
    assert together.out == b"".join(ODD.values())
    for row, data in zip(listed.rows, ODD.values(), strict=True):
        assert row["output"].encode() == data
        assert row["output_sha256"] == hashlib.sha256(data).hexdigest()
        assert (row["changes"], row["dropped"], row["error"]) == ([], [], None)


async def test_standard_input_is_a_source() -> None:
    data = ODD["mixed line ends"]

    assert await run("-", stdin=data) == Ended(status=0, out=data, err="")


async def test_a_url_is_a_source(server: TestServer) -> None:
    plain = await run(server.make_url("/vod/show/master.m3u8").human_repr())
    moved = await run(server.make_url("/moved.m3u8").human_repr())

    assert (plain.status, plain.out) == (0, MASTER)
    assert (moved.status, moved.out) == (0, MASTER)


async def test_urls_that_cannot_be_read_are_lines_with_an_error(server: TestServer) -> None:
    nowhere = [str(server.make_url(path)) for path in ("/none.m3u8", "/large.m3u8")]
    closed = "http://127.0.0.1:1/master.m3u8"

    done = await run("--format", "json", *nowhere, closed, "http://[::1", "-", stdin=MEDIA)

    assert done.status == 1
    assert [row["output"] for row in done.rows] == [None] * 4 + [MEDIA.decode()]
    missing, large, refused, malformed, good = (row["error"] for row in done.rows)
    assert "404" in missing
    assert "bytes" in large
    assert "127.0.0.1" in refused
    assert "[::1" in malformed
    assert good is None


async def test_origins_become_relative_references(master: Path) -> None:
    done = await run("--base", BASE, *ORIGINS, master)

    assert (done.status, done.err) == (0, "")
    assert done.out == MASTER.replace(b'"/vod/audio/en.m3u8"', b'"../audio/en.m3u8"').replace(
        b"https://cdn.example/v/1080", b"../../cdn/v/1080"
    )


async def test_without_an_origin_the_server_of_the_base_is_one(tmp_path: Path) -> None:
    source = written(
        tmp_path / "m.m3u8", MEDIA.replace(b"1.ts", b"https://origin.example/other/1.ts")
    )

    done = await run("--base", BASE, source)

    assert (done.status, done.out) == (0, MEDIA.replace(b"1.ts", b"../../other/1.ts"))


async def test_each_change_says_where_from_what_to_what_and_why(master: Path, mpd: Path) -> None:
    done = await run("--base", BASE, *ORIGINS, "--format", "json", master, mpd)

    assert done.status == 0, done.err
    hls, dash = done.rows
    for row, path, kind in ((hls, master, "hls-master"), (dash, mpd, "dash")):
        assert set(row) >= {
            *("source", "kind", "output", "output_sha256", "changes", "filter", "dropped"),
            *("ads", "warnings", "error"),
        }
        assert (row["source"], row["kind"], row["filter"]) == (str(path), kind, None)
        assert row["output_sha256"] == hashlib.sha256(row["output"].encode()).hexdigest()
        assert all(set(change) == {"where", "from", "to", "why"} for change in row["changes"])
        assert all(change["why"] and change["where"] for change in row["changes"])
    assert [(c["from"], c["to"]) for c in hls["changes"]] == [
        ("/vod/audio/en.m3u8", "../audio/en.m3u8"),
        ("https://cdn.example/v/1080.m3u8?k=1", "../../cdn/v/1080.m3u8?k=1"),
    ]
    assert [(c["from"], c["to"]) for c in dash["changes"]] == [
        (
            "https://cdn.example/v/$Number$.m4s?a=1&amp;b=2",
            "../../cdn/v/$Number$.m4s?a=1&amp;b=2",
        )
    ]


async def test_a_filter_takes_out_and_says_what(master: Path, mpd: Path) -> None:
    done = await run("--filter", "HEIGHT:..720", "--format", "json", master, mpd)

    assert done.status == 0, done.err
    hls, dash = done.rows
    assert hls["output"].encode() == MASTER.replace(
        b'#EXT-X-STREAM-INF:BANDWIDTH=6000000,RESOLUTION=1920x1080,AUDIO="a"\n'
        b"https://cdn.example/v/1080.m3u8?k=1\n",
        b"",
    )
    assert 'id="hi"' not in dash["output"]
    assert 'id="lo"' in dash["output"]
    for row in (hls, dash):
        assert row["filter"] == "height:..720"
        assert len(row["dropped"]) == 1
        assert all(entry["what"] and entry["why"] for entry in row["dropped"])
        assert row["changes"]


async def test_a_token_in_the_query_goes_into_every_uri_and_only_there(
    master: Path, mpd: Path
) -> None:
    asked = ("--base", BASE, *ORIGINS, "--token-in", "query", "--token", "T0K")

    hls, dash = await asyncio.gather(run(*asked, master), run(*asked, mpd))

    assert (hls.status, dash.status) == (0, 0), hls.err + dash.err
    assert b'URI="../audio/en.m3u8?token=T0K"' in hls.out
    assert b"\n../../cdn/v/1080.m3u8?k=1&token=T0K\n" in hls.out
    assert b"\n720.m3u8?token=T0K\n" in hls.out
    assert hls.out.count(b"token=") == 3
    assert b'media="../../cdn/v/$Number$.m4s?a=1&amp;b=2&amp;token=T0K"' in dash.out
    assert dash.out.count(b"token=") == 1


async def test_a_bad_source_is_a_line_with_an_error_and_the_others_are_done(
    master: Path, mpd: Path, tmp_path: Path
) -> None:
    text = written(tmp_path / "letter.txt", b"Dear Sir or Madam,")
    cut = written(tmp_path / "cut.mpd", MPD[:200])
    sources = (master, tmp_path / "missing", text, tmp_path, cut, mpd)

    as_json, as_text = await asyncio.gather(run("--format", "json", *sources), run(*sources))

    assert as_json.status == as_text.status == 1
    assert [row["source"] for row in as_json.rows] == [str(source) for source in sources]
    assert [row["error"] is None for row in as_json.rows] == [True, *[False] * 4, True]
    assert as_json.rows[2]["error"].startswith("not-a-manifest")
    assert as_json.rows[4]["error"].startswith("truncated")
    assert as_text.out == MASTER + MPD
    complaints = as_text.err.splitlines()
    for source, complaint in zip(sources[1:5], complaints, strict=True):
        assert str(source) in complaint


async def test_a_host_without_an_origin_is_refused_by_name_or_left(master: Path) -> None:
    asked = ("--base", BASE, "--origin", "vod=https://origin.example/vod/")

    refused, left = await asyncio.gather(
        run(*asked, "--format", "json", master), run(*asked, "--unlisted", "leave", master)
    )

    assert refused.status == 1
    assert refused.rows[0]["output"] is None
    assert refused.rows[0]["error"].startswith("unlisted-host")
    assert "cdn.example" in refused.rows[0]["error"]
    assert left.status == 0
    assert b"\nhttps://cdn.example/v/1080.m3u8?k=1\n" in left.out
    assert b'URI="../audio/en.m3u8"' in left.out


async def test_a_carried_host_is_shown_with_something_in_the_signatures_place(
    master: Path,
) -> None:
    asked = ("--base", BASE, "--origin", "vod=https://origin.example/vod/")
    done = await run(*asked, "--unlisted", "carry", master)
    assert done.status == 0
    assert re.search(
        rb"\n\.\./\.\./x/vod/[\w-]{22}/https/cdn\.example/v/1080\.m3u8\?k=1\n", done.out
    )


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        pytest.param(("--filter", "hight:..720"), "hight", id="an unknown key"),
        pytest.param(("--filter", "height:tall"), "tall", id="a bad value"),
        pytest.param(("--origin", "vod"), "NAME=URL", id="an origin without a URL"),
        pytest.param(("--origin", "=https://a.example/"), "NAME=URL", id="one without a name"),
        pytest.param(("--origin", "vod=ftp:/a"), "vod", id="an origin that is no URL"),
        pytest.param(("--origin", "v/d=https://a.example/"), "v/d", id="a name that is no segment"),
        pytest.param(("--base", "show/master.m3u8"), "--base", id="a base that is not absolute"),
        pytest.param(("--format", "xml"), "xml", id="an unknown format"),
    ],
)
async def test_wrong_use_ends_with_2_and_names_what_is_wrong(
    master: Path, wrong: tuple[str, ...], named: str
) -> None:
    done = await run(*wrong, master)

    assert (done.status, done.out) == (2, b"")
    assert named in done.err
