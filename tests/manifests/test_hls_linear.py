from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest

from edge.manifests.errors import ManifestError, TooLarge, TooManyElements
from edge.manifests.hls import steering
from edge.manifests.hls.delta import advertise_skip, make_delta
from edge.manifests.hls.rewrite import rewrite, rewrite_scanned
from edge.manifests.hls.scan import scan
from edge.manifests.limits import Limits
from tests.manifests.hls_player import BASE, context, master, media

WIDE = Limits(line_bytes=10**8, attributes=10**6, json_values=10**7, json_depth=10)
TIMES = 8  # so many times the input may take so many times the time, with room for noise
ROOM = 4

HOSTILE: dict[str, Callable[[int], bytes]] = {
    "segments": lambda n: media(*["#EXTINF:4,\nhttps://live.example.com:8443/s.ts"] * n),
    "folders": lambda n: media(*[f"#EXTINF:4,\n/vod/{k}/s.ts" for k in range(n)]),
    "blank lines": lambda n: media(*[""] * (20 * n), "/vod/x"),
    "carriage returns": lambda n: media("\r" * (50 * n)),
    "blanks": lambda n: media(" " * (50 * n) + "x", "\t" * (50 * n)),
    "a line of slashes": lambda n: media("x" + "/" * (100 * n)),
    "a line of dots": lambda n: media("/vod/a" + "/.." * (50 * n)),
    "a comment of dots": lambda n: media("#" + "/." * (100 * n), "s.ts"),
    "a line of colons": lambda n: media(":" * (100 * n)),
    "encoded dots": lambda n: media("/vod/" + "%2e" * (50 * n)),
    "quotes": lambda n: media("#EXT-X-KEY:" + '"' * (50 * n)),
    "equals": lambda n: media("#EXT-X-KEY:" + "A=" * (50 * n)),
    "commas": lambda n: media("#EXT-X-KEY:" + "," * (50 * n)),
    "names": lambda n: media("#EXT-X-KEY:" + "A" * (100 * n)),
    "curly quotes": lambda n: media("#EXT-X-KEY:" + "A=“" * (20 * n)),
    "attributes": lambda n: media("#EXT-X-KEY:" + "A=1," * (20 * n) + 'URI="/vod/k"'),
    "uris of one tag": lambda n: media("#EXT-X-KEY:" + 'URI="/vod/k",' * (5 * n)),
    "parts": lambda n: media(*['#EXT-X-PART:DURATION=1,URI="/vod/p.mp4"'] * n),
    "definitions": lambda n: media(*[f'#EXT-X-DEFINE:NAME="v{k}",VALUE="{k}"' for k in range(n)],
                                   *[f"/vod/{{$v{k}}}" for k in range(n)]),
    "variables": lambda n: media('#EXT-X-DEFINE:NAME="v",VALUE="x"', "/vod/" + "{$v}/" * (10 * n)),
    "open variables": lambda n: media("/vod/" + "{$" * (50 * n)),
    "a query": lambda n: master("#EXT-X-STREAM-INF:BANDWIDTH=1", "v.m3u8?" + "_HLS_msn=1&" * (20 * n)),
}  # fmt: skip
JSON: dict[str, Callable[[int], bytes]] = {
    "clones": lambda n: (
        b'{"PATHWAY-CLONES":[' + b",".join([b'{"ID":"x","BASE-ID":"y","URI-REPLACEMENT":{"HOST":"h"}}'] * n) + b"]}"
    ),
    "assets": lambda n: b'{"ASSETS":[' + b",".join([b'{"URI":"/vod/x"}'] * n) + b"]}",
    "backslashes": lambda n: b'{"ASSETS":"' + b"\\\\" * (50 * n) + b'"}',
    "an open string": lambda n: b'{"ASSETS":"' + b"x" * (100 * n),
    "blanks": lambda n: b'{"ASSETS":' + b" " * (100 * n),
}  # fmt: skip


def seconds(work: Callable[[bytes], object], data: bytes) -> float:
    best = 1e9
    for _ in range(3):
        started = time.process_time()
        with contextlib.suppress(ManifestError):
            work(data)
        best = min(best, time.process_time() - started)
    return best


def is_linear(work: Callable[[bytes], object], make: Callable[[int], bytes]) -> bool:
    """Whether a larger input takes no more than its share, measured where the clock can tell."""
    size = 50
    small = seconds(work, make(size))
    while small < 0.003 and size < 2000:
        size *= 2
        small = seconds(work, make(size))
    large = seconds(work, make(TIMES * size))
    return large < TIMES * ROOM * max(small, 0.001)


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_time_is_linear_in_the_input(make: Callable[[int], bytes]) -> None:
    where = context(unlisted="leave")

    assert is_linear(lambda data: rewrite(data, where, WIDE), make)
    assert is_linear(lambda data: rewrite_scanned(scan(data, WIDE), where), make)
    assert is_linear(lambda data: make_delta(advertise_skip(data, WIDE), limits=WIDE), make)


@pytest.mark.parametrize("make", JSON.values(), ids=JSON)
def test_time_is_linear_in_the_size_of_a_json_document(make: Callable[[int], bytes]) -> None:
    assert is_linear(lambda data: steering.rewrite(data, context(unlisted="leave"), WIDE), make)


def test_a_few_lines_cannot_name_gigabytes() -> None:
    lines = ['#EXT-X-DEFINE:NAME="v",VALUE="' + "x" * 60_000 + '"']
    named = [f'#EXT-X-DEFINE:NAME="v{n}",VALUE="{{$v}}"' for n in range(1000)]
    used = ["/vod/{$v}"] * 1000
    for more in (named, used):
        with pytest.raises(TooLarge):
            rewrite(media(*lines, *more), context())


def test_clones_of_clones_cannot_multiply_without_end() -> None:
    streams = [
        line
        for n in range(1000)
        for line in (f'#EXT-X-STREAM-INF:BANDWIDTH=1,STABLE-VARIANT-ID="{n}"', f"{n}.m3u8")
    ]
    pathways = steering.pathways_of(scan(master(*streams)), BASE)
    clones = b",".join(
        [b'{"ID":"x","BASE-ID":".","URI-REPLACEMENT":{"HOST":"live.example.com:8443"}}'] * 500
    )
    with pytest.raises(TooManyElements):
        steering.rewrite(b'{"PATHWAY-CLONES":[' + clones + b"]}", context(), pathways=pathways)


def test_a_playlist_of_many_pathways_has_only_so_many() -> None:
    streams = [
        line
        for n in range(1000)
        for line in (f'#EXT-X-STREAM-INF:BANDWIDTH=1,PATHWAY-ID="{n}"', f"{n}.m3u8")
    ]

    assert len(steering.pathways_of(scan(master(*streams)), BASE)) == 64
