"""Recorded requests, one of each shape: what changes from run to run is left open, and filled in when they are sent."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edge.errors import EdgeError
from edge.target import parse_target
from tests.edge.lane.recording import JWT

FILE = Path(__file__).with_name("recorded.jsonl")

_MOST_BYTES = 48 * 1024
_START = re.compile(r"[A-Z-]+ \S+ HTTP/\d\.\d\Z")
_LIMITS = ("max_height", "max_bitrate", "languages")
_LAST_CHUNK = "0\r\n\r\n"
_LENGTH = re.compile(r"(?im)^content-length: *(\d+) *\r?$")
_CODING = re.compile(r"(?im)^transfer-encoding: *chunked *\r?$")

# What is left open. The marks cannot stand in a request, whose bytes are read as Latin-1.
_OPEN = re.compile("⟦([a-z]+)(?: ([^⟧]*))?⟧")
_CARRIED = re.compile(r"(?<=/)x/([a-z][a-z0-9-]{1,31})/[A-Za-z0-9_-]{22}/https?/[^/ ?\r]+/")
_PORT = re.compile(r"(?i)(127\.0\.0\.1|localhost|\[::1\])(:|%3A)\d{2,5}")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_HEX = re.compile(
    r"(?<![0-9A-Za-z_-])(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{16,64}(?![0-9A-Za-z_-])"
)
_DATE = re.compile(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20(?:2[5-9]|[3-9]\d) \d\d:\d\d:\d\d GMT")
_RUN = re.compile(r"(.)\1{79,}", re.DOTALL)
_AGENT = re.compile(r"(?im)^(User-Agent: )(?:Python|Mozilla|node|undici)[^\r]*")
_SUITE = re.compile(r"(?im)^((?:Test-(?:Name|ID)|Req-Num): )[^\r]*")  # of the HTTP cache suite
_CONDITION = re.compile(r"(?im)^(If-(?:None-)?Match|If-Range): ((?:W/)?)\"[^\"\r]*\"\r$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One request, or bytes that are none, and the edge that they were sent to."""

    edge: str  # its kind, see ``kind_of``
    origin: str | None  # the name that the target begins with
    kind: str | None  # of that origin
    text: str
    tokens: list[dict[str, Any]] = field(
        default_factory=list
    )  # claims, and what is wrong with them
    test: str

    @property
    def method(self) -> str:
        return self.text.partition(" ")[0]

    def fill(self, values: Callable[[str, str], str]) -> bytes:
        """The bytes, with what was left open from ``values`` (its name, and what is said of it)."""
        return fill(self.text, values).encode("latin-1")


def fill(text: str, values: Callable[[str, str], str]) -> str:
    """``text`` with nothing left open."""

    def value(match: re.Match[str]) -> str:
        name, about = match[1], match[2] or ""
        if name == "run":
            count, _, code = about.partition(" ")
            return chr(int(code)) * int(count)
        return values(name, about)

    return _OPEN.sub(value, text)


def read_shapes() -> list[Recorded]:
    """What is committed."""
    return [Recorded(**json.loads(line)) for line in FILE.read_text().splitlines()]


def write_shapes(shapes: Iterable[Recorded]) -> None:
    """Put them in place of what is there, one a line."""
    lines = sorted(json.dumps(asdict(shape), ensure_ascii=False) for shape in shapes)
    FILE.write_text("".join(f"{line}\n" for line in lines))


def shapes_of(folder: Path) -> list[Recorded]:
    """One request of each shape out of what was heard."""
    heard = _Heard()
    for path in sorted(folder.glob("*.jsonl")):
        heard.read(path)
    found: dict[object, Recorded] = {}
    for edge, test, stream in heard.streams():
        for text in requests_of(stream):
            if len(text) <= _MOST_BYTES:
                for recorded in _recorded(edge, test, text, heard.tokens):
                    found.setdefault(_shape(recorded), recorded)
    return list(found.values())


def requests_of(stream: str) -> Iterator[str]:
    """The requests that came over one connection, without what never came to its end.

    Where the end of one is in doubt, it is one with all that came after it.
    """
    while stream:
        head, end, rest = stream.partition("\r\n\r\n")
        if not end:
            return
        start, _, fields = head.lstrip("\r\n").partition("\r\n")
        lengths, codings = _LENGTH.findall(fields), _CODING.findall(fields)
        if (
            not _START.match(start)
            or len(lengths) + len(codings) > 1
            or fields.lower().count("transfer-encoding") != len(codings)
            or fields.lower().count("content-length") != len(lengths)
            or "\n" in fields.replace("\r\n", "")
        ):
            yield stream
            return
        size = int(lengths[0]) if lengths else 0
        if codings:
            size = rest.find(_LAST_CHUNK) + len(_LAST_CHUNK)
        if len(rest) < size or (codings and not rest[:size].endswith(_LAST_CHUNK)):
            return
        yield head + end + rest[:size]
        stream = rest[size:]


class _Heard:
    """What the recorder wrote."""

    def __init__(self) -> None:
        self._connections: dict[str, tuple[dict[str, Any], str, list[str]]] = {}
        self.tokens: dict[str, str] = {}

    def read(self, path: Path) -> None:
        for text in path.read_text().splitlines():
            try:
                line = json.loads(text)
            except ValueError:
                continue  # the process was killed while it wrote
            if "token" in line:
                self.tokens[line["token"]] = line["verdict"]
            elif "edge" in line:
                self._connections[line["connection"]] = line["edge"], line["test"], []
            elif line["connection"] in self._connections:
                self._connections[line["connection"]][2].append(line["data"])

    def streams(self) -> Iterator[tuple[dict[str, Any], str, str]]:
        """Edge, test and bytes of each connection."""
        for edge, test, pieces in self._connections.values():
            yield edge, test, "".join(pieces)


def _recorded(
    edge: dict[str, Any], test: str, text: str, verdicts: dict[str, str]
) -> Iterator[Recorded]:
    origin = _origin_of(text) if edge["root"] is None else edge["root"]
    kind, public = edge["origins"].get(origin, (None, False))
    tokens: list[dict[str, Any]] = []

    def token(match: re.Match[str]) -> str:
        tokens.append(_claims(match[0], verdicts.get(match[0], "ok")))
        return f"⟦token {len(tokens) - 1}⟧"

    opened = opened_of(re.sub(JWT.pattern.decode(), token, text))
    name = kind_of(edge, public=public)
    for each in {opened, _CONDITION.sub("\\1: \\2⟦etag⟧\r", opened)}:
        yield Recorded(
            edge=name,
            origin=None if kind is None else origin,
            kind=kind,
            text=each,
            tokens=tokens,
            test=test,
        )


def kind_of(edge: dict[str, Any], *, public: bool) -> str:
    """Which of the edges that the replay builds stands for this one."""
    if edge["root"] is not None:
        return f"root {edge['profile']}"
    return f"{'public' if public else 'tokens'} {edge['entry']}"


def opened_of(text: str) -> str:
    """The text with everything left open that is another in each run."""
    text = _CARRIED.sub(r"x/\1/⟦mac \1⟧/http/127.0.0.1:⟦port⟧/", text)
    text = _PORT.sub(r"\1\2⟦port⟧", text)
    text = _UUID.sub("⟦uuid⟧", text)
    text = _DATE.sub("⟦date⟧", text)
    text = _AGENT.sub(r"\1test", text)
    text = _HEX.sub(lambda match: f"⟦hex {len(match[0])}⟧", text)
    text = _SUITE.sub(r"\1x", text)
    return _RUN.sub(lambda match: f"⟦run {len(match[0])} {ord(match[1])}⟧", text)


def _origin_of(text: str) -> str | None:
    try:
        target = parse_target(text.split(" ", 2)[1])
    except (EdgeError, IndexError):
        return None
    return target.origin if target.carried is None else target.carried.host.via


def _claims(token: str, verdict: str) -> dict[str, Any]:
    """What is wrong with the token, and those of its claims that do not change from run to run."""
    part = token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        return {"verdict": verdict}
    if not isinstance(claims, dict):
        return {"verdict": verdict}
    kept = {name: claims[name] for name in _LIMITS if name in claims}
    paths = claims.get("paths")
    if isinstance(paths, list):
        kept["paths"] = [opened_of(path) for path in paths if isinstance(path, str)]
    return {"verdict": verdict, **kept}


def _shape(recorded: Recorded) -> object:
    """What makes two requests the same for us: numbers in paths and in what players say of themselves do not count."""
    head = recorded.text.partition("\r\n\r\n")[0]
    start, *fields = head.split("\r\n")
    method, _, rest = start.partition(" ")
    same = sorted(
        re.sub(r"\d+", "0", each) if each.lower().startswith(("cmcd-", "content-length")) else each
        for each in fields
    )
    plain = re.sub(r"\d+", "0", re.sub("⟦token \\d+⟧", "⟦token⟧", rest))
    return (
        *(recorded.edge, recorded.origin, recorded.kind, method, plain),
        *(tuple(same), json.dumps(recorded.tokens)),
    )
