from __future__ import annotations

import contextlib
import io
import json
import logging
import re
import threading
import uuid
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import structlog

from config.runtime.access_log import JsonAccessLog
from config.runtime.logging import (
    DROPPED,
    HIDDEN,
    JOB_ID,
    REQUEST_ID,
    SESSION_ID,
    NeverBlocking,
    also_hide,
    get_logger,
    hide_secrets,
    setup_logging,
)
from config.settings.shared import LogSettings

TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ2In0.c2lnbmF0dXJl-_x"
CAT = "2D3RhEOhAQWhBEVIUzI1Nk2iBBprA9PtBhprA9GVWCD098_0exakK8zFFd64iqL"
PASSWORD = "correct-horse-battery"

Level = Literal["debug", "info", "warning", "error"]


class Logs:
    """What a program has written to standard error."""

    def __init__(self) -> None:
        self._stream = io.StringIO()
        self.handlers: list[logging.Handler] = []

    def start(self, level: Level) -> None:
        with contextlib.redirect_stderr(self._stream):
            setup_logging(LogSettings(level=level), program="edge")
        self.handlers += logging.getLogger().handlers

    @property
    def text(self) -> str:
        for handler in self.handlers:
            handler.flush()
        return self._stream.getvalue()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def logs() -> Iterator[Logs]:
    root, quiet = logging.getLogger(), ("botocore", "asyncio", "aiohttp.access")
    level = root.level
    levels = {name: logging.getLogger(name).level for name in quiet}
    logs = Logs()
    logs.start("info")
    yield logs
    for handler in logs.handlers:
        root.removeHandler(handler)
    root.setLevel(level)
    for name, previous in levels.items():
        logging.getLogger(name).setLevel(previous)
    structlog.reset_defaults()


def test_an_event_is_one_line_of_json_with_its_fields(logs: Logs) -> None:
    get_logger("test").warning("origin marked down", origin="vod", failures=3, note="a\nb", ok=True)

    [line] = logs.lines()

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line.pop("ts"))
    assert line == {
        "event": "origin marked down",
        "level": "warning",
        "program": "edge",
        "origin": "vod",
        "failures": 3,
        "note": "a\nb",
        "ok": True,
    }


def test_text_is_written_as_it_is_in_every_script(logs: Logs) -> None:
    get_logger("test").info("release made", title="葬送のフリーレン")

    assert "葬送のフリーレン" in logs.text


def test_the_ids_of_the_work_at_hand_are_added(logs: Logs) -> None:
    request, job = REQUEST_ID.set("r-1"), JOB_ID.set("j-1")
    get_logger("test").info("during")
    logging.getLogger("library").warning("by a library")
    REQUEST_ID.reset(request)
    JOB_ID.reset(job)
    session = SESSION_ID.set("s-1")
    get_logger("test").info("after", session_id="given by hand")
    SESSION_ID.reset(session)

    during, library, after = logs.lines()

    assert (during["request_id"], during["job_id"]) == ("r-1", "j-1")
    assert (library["request_id"], library["program"]) == ("r-1", "edge")
    assert after["session_id"] == "given by hand"
    assert "request_id" not in after
    assert "session_id" not in during


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("debug", ["a", "b", "c"]),
        ("info", ["b", "c"]),
        ("warning", ["c"]),
        ("error", []),
    ],
)
def test_less_serious_events_are_left_out(level: Level, written: list[str], logs: Logs) -> None:
    logs.start(level)
    for log in (get_logger("ours"), logging.getLogger("theirs")):
        log.debug("a")
        log.info("b")
        log.warning("c")

    assert [line["event"] for line in logs.lines()] == written * 2


def test_libraries_that_log_every_request_are_heard_only_when_something_is_wrong(
    logs: Logs,
) -> None:
    logging.getLogger("botocore.auth").info("signing")
    logging.getLogger("asyncio").warning("slow callback")

    assert [line["event"] for line in logs.lines()] == ["slow callback"]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        pytest.param(f"/t/{TOKEN}/vod/a.m3u8", f"/t/{HIDDEN}/vod/a.m3u8", id="in the path"),
        pytest.param("/t/opaque-one/vod/a", f"/t/{HIDDEN}/vod/a", id="opaque, in the path"),
        pytest.param("/a?token=abc&b=1", f"/a?token={HIDDEN}&b=1", id="in the query"),
        pytest.param("/a?access_token=abc", f"/a?access_token={HIDDEN}", id="access_token"),
        pytest.param("URISigningPackage=abc", f"URISigningPackage={HIDDEN}", id="RFC 9246"),
        pytest.param(
            "/a;URISigningPackage=abc/b.ts",
            f"/a;URISigningPackage={HIDDEN}/b.ts",
            id="RFC 9246, in the path",
        ),
        pytest.param(
            "/a?CTA-Common-Access-Token=abc", f"/a?CTA-Common-Access-Token={HIDDEN}", id="CTA-5007"
        ),
        pytest.param(
            f"CTA-Common-Access-Token: {CAT}",
            f"CTA-Common-Access-Token: {HIDDEN}",
            id="field of CTA-5007",
        ),
        pytest.param(
            f"'CTA-Common-Access-Token': 'x{CAT}',",
            f"'CTA-Common-Access-Token': '{HIDDEN}',",
            id="fields in Python",
        ),
        pytest.param(f"bad token {CAT}!", f"bad token {HIDDEN}!", id="bare CWT"),
        pytest.param(
            "Cookie: a=b; kawa_token=abc; c=d",
            f"Cookie: a=b; kawa_token={HIDDEN}; c=d",
            id="cookie",
        ),
        pytest.param(
            "Cookie: TokenCookie=abc", f"Cookie: TokenCookie={HIDDEN}", id="access_control"
        ),
        pytest.param("/a?hdnts=exp=1~acl=/*~hmac=0aF&b=1", f"/a?hdnts={HIDDEN}&b=1", id="Akamai"),
        pytest.param(
            "/a/hdntl=exp=1~hmac=0aF/b.ts", f"/a/hdntl={HIDDEN}/b.ts", id="Akamai, in the path"
        ),
        pytest.param(
            "/a/hdntl=exp=1~acl=/*~hmac=0aF/b.ts",
            f"/a/hdntl={HIDDEN}/*~hmac={HIDDEN}/b.ts",
            id="Akamai, odd",
        ),
        pytest.param(
            "/a?Policy=p&Signature=s~_&Key-Pair-Id=K",
            f"/a?Policy={HIDDEN}&Signature={HIDDEN}&Key-Pair-Id={HIDDEN}",
            id="CloudFront",
        ),
        pytest.param(
            "CloudFront-Signature=abc~; b=c",
            f"CloudFront-Signature={HIDDEN}; b=c",
            id="cookie of CloudFront",
        ),
        pytest.param("/a?md5=abc-_&expires=1", f"/a?md5={HIDDEN}&expires=1", id="secure_link"),
        pytest.param("/a?E=1&K=3&P=1&S=0aF", f"/a?E=1&K=3&P=1&S={HIDDEN}", id="url_sig"),
        pytest.param(f"token {TOKEN}~bWFyaw ends", f"token {HIDDEN} ends", id="marked as used"),
        pytest.param(
            "token eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn ends", f"token {HIDDEN} ends", id="JWE"
        ),
        pytest.param(
            "token l.bmdpbngKL3ZvZC9hLm00cwoKaGFzaD14 ends",
            f"token {HIDDEN} ends",
            id="link as a token",
        ),
        pytest.param("/a?X-Amz-Signature=0aF&b=1", f"/a?X-Amz-Signature={HIDDEN}&b=1", id="S3"),
        pytest.param(
            "size=160x90 status=200 reads=3",
            "size=160x90 status=200 reads=3",
            id="names that end alike",
        ),
        pytest.param("Authorization: Bearer abc.d", f"Authorization: Bearer {HIDDEN}", id="bearer"),
        pytest.param(f"bad token {TOKEN}!", f"bad token {HIDDEN}!", id="bare JWT"),
        pytest.param(
            f"postgresql://kawa:{PASSWORD}@db/kawa", f"postgresql://kawa:{HIDDEN}@db/kawa", id="DSN"
        ),
        pytest.param(f"redis://:{PASSWORD}@r:6379", f"redis://:{HIDDEN}@r:6379", id="no user"),
        pytest.param("http://a:80/b c@d", "http://a:80/b c@d", id="a port is no password"),
        pytest.param("/vod/a/master.m3u8", "/vod/a/master.m3u8", id="nothing to hide"),
    ],
)
def test_secrets_in_text_are_hidden(text: str, hidden: str) -> None:
    assert hide_secrets(text) == hidden


def test_what_an_operator_calls_a_token_is_hidden_too() -> None:
    digest = "d41d8cd98f00b204e9800998ecf8427e"
    text = f"/vod/pass=abc/a.ts?my.pass=abc&myxpass=a /vod/{digest}/a.ts"
    also_hide(names=["pass", "my.pass"], segments=["[0-9a-f]{32}"])
    hidden = hide_secrets(text)
    also_hide()

    assert hidden == f"/vod/pass={HIDDEN}/a.ts?my.pass={HIDDEN}&myxpass=a /vod/{HIDDEN}/a.ts"
    assert hide_secrets(text) == text


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(f"/t/{TOKEN}/vod", id="text"),
        pytest.param([f"/t/{TOKEN}/vod"], id="list"),
        pytest.param({"urls": {"hls": f"/t/{TOKEN}/vod"}}, id="dictionary"),
        pytest.param(ValueError(f"cannot fetch /t/{TOKEN}/vod"), id="exception"),
        pytest.param(f"postgresql://kawa:{PASSWORD}@db/kawa", id="password"),
    ],
)
def test_secrets_in_fields_are_hidden(value: Any, logs: Logs) -> None:
    get_logger("test").warning("refused", what=value)
    logging.getLogger("library").warning("refused %s", value)

    written = logs.text

    assert TOKEN not in written
    assert PASSWORD not in written
    assert written.count(HIDDEN) == 2


def test_a_failure_is_logged_with_its_traceback_and_without_secrets(logs: Logs) -> None:
    try:
        raise ConnectionError(f"postgresql://kawa:{PASSWORD}@db/kawa refused")
    except ConnectionError:
        get_logger("test").exception("database away")
        logging.getLogger("library").exception("database away")

    for line in logs.lines():
        assert line["event"] == "database away"
        assert line["level"] == "error"
        assert "Traceback" in line["exception"]
        assert f"ConnectionError: postgresql://kawa:{HIDDEN}@db/kawa refused" in line["exception"]


def test_values_of_other_types_are_written_as_text(logs: Logs) -> None:
    media = uuid.uuid4()
    get_logger("test").info("done", media=media, nothing=None, sizes=(1, 2.5))

    [line] = logs.lines()

    assert (line["media"], line["nothing"], line["sizes"]) == (str(media), None, [1, 2.5])


def test_a_hit_is_logged_without_its_token_and_with_its_clients_network(logs: Logs) -> None:
    JsonAccessLog(logging.getLogger("access"), "").hit(
        remote="192.0.2.7",
        target=f"/t/{TOKEN}/vod/a.m4s?token={TOKEN}",
        wire_bytes=1,
        agent="x" * 1000,
        session="s-1",
    )

    (line,) = logs.lines()
    assert (line["path"], line["client"]) == (f"/t/{HIDDEN}/vod/a.m4s", "192.0.2.0/24")
    assert (len(line["agent"]), line["session_id"]) == (256, "s-1")


def test_lines_that_nobody_reads_are_dropped_and_counted_and_nobody_waits() -> None:
    read = threading.Event()

    class Unread(io.StringIO):
        def write(self, text: str) -> int:
            read.wait(10)
            return super().write(text)

    handler = NeverBlocking(Unread())
    before = DROPPED._value.get()
    record = logging.LogRecord("edge", logging.INFO, "", 0, "line", None, None)
    for _ in range(10_500):
        handler.handle(record)
    # One more than there is room for may be on its way to the reader.
    assert DROPPED._value.get() - before in (499, 500)
    read.set()
    handler.flush()
