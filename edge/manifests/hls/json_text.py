"""JSON with positions: what has to change is replaced in the text, everything else stays as it was written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from edge.manifests.errors import NotAManifest, TooDeep, TooLarge, TooManyElements, Truncated
from edge.manifests.limits import Limits

# RFC 8259; the blanks before a token belong to it.
_TOKEN = re.compile(
    rb"[ \t\r\n]*(?:([{}\[\]:,])"
    rb'|("[^"\\\x00-\x1f]*+(?:\\.[^"\\\x00-\x1f]*+)*+")'
    rb"|(-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null))"
)
_BLANK = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A JSON value at the bytes ``start`` to ``stop``, quotes and brackets included."""

    type: Literal["object", "array", "string", "other"]
    start: int
    stop: int
    text: str = ""  # of a string, decoded
    members: tuple[tuple[str, Value], ...] = ()
    items: tuple[Value, ...] = ()

    def get(self, key: str, *, of: str | None = None) -> Value | None:
        """The last member of that name, as readers take it; with ``of``, only if it has that type."""
        for name, value in reversed(self.members):
            if name == key:
                return value if of is None or value.type == of else None
        return None

    def all(self, key: str) -> Iterator[Value]:
        """Every member of that name: a reader may take another one than we do."""
        return (value for name, value in self.members if name == key)

    def string(self, key: str) -> str | None:
        """The text of a member that is a string."""
        value = self.get(key, of="string")
        return None if value is None else value.text


def parse(data: bytes, limits: Limits) -> Value:
    """The document's value; what is not JSON or passes a limit is refused."""
    if len(data) > limits.bytes:
        raise TooLarge(f"{len(data)} bytes, more than {limits.bytes}")
    reader = _Reader(data, limits)
    value = reader.value(depth=0)
    if data[reader.position :].strip(_BLANK):
        raise NotAManifest("something stands behind the JSON value")
    return value


def quoted(text: str) -> bytes:
    """A JSON string."""
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass")


class _Reader:
    def __init__(self, data: bytes, limits: Limits) -> None:
        self.data = data
        self.limits = limits
        self.position = len(_BOM) if data.startswith(_BOM) else 0
        self.count = 0

    def value(self, *, depth: int, token: re.Match[bytes] | None = None) -> Value:
        token = token or self._token()
        self.count += 1
        if self.count > self.limits.json_values:
            raise TooManyElements(f"more than {self.limits.json_values} values")
        if token[2] is not None:
            return self._string(token)
        if token[3] is not None:
            return Value(type="other", start=token.start(3), stop=token.end(3))
        if token[1] not in (b"{", b"["):
            raise NotAManifest(f"not JSON at byte {token.start(1)}")
        if depth >= self.limits.json_depth:
            raise TooDeep(f"JSON nested more than {self.limits.json_depth} deep")
        if token[1] == b"{":
            return self._object(token.start(1), depth + 1)
        return self._array(token.start(1), depth + 1)

    def _object(self, start: int, depth: int) -> Value:
        members: list[tuple[str, Value]] = []
        token = self._token()
        while token[1] != b"}":
            if members:
                self._expect(token, b",")
                token = self._token()
            if token[2] is None:
                raise NotAManifest(f"not JSON at byte {token.start()}: no key")
            key = self._string(token).text
            self._expect(self._token(), b":")
            members.append((key, self.value(depth=depth)))
            token = self._token()
        return Value(type="object", start=start, stop=self.position, members=tuple(members))

    def _array(self, start: int, depth: int) -> Value:
        items: list[Value] = []
        token = self._token()
        while token[1] != b"]":
            if items:
                self._expect(token, b",")
                token = self._token()
            items.append(self.value(depth=depth, token=token))
            token = self._token()
        return Value(type="array", start=start, stop=self.position, items=tuple(items))

    def _string(self, token: re.Match[bytes]) -> Value:
        try:
            text = json.loads(token[2])
        except ValueError as error:
            raise NotAManifest(f"not a JSON string at byte {token.start(2)}") from error
        return Value(type="string", start=token.start(2), stop=token.end(2), text=text)

    def _token(self) -> re.Match[bytes]:
        match = _TOKEN.match(self.data, self.position)
        if match is None:
            rest = self.data[self.position :].lstrip(_BLANK)
            if not rest or rest.startswith(b'"'):
                raise Truncated("the JSON ends before its end")
            raise NotAManifest("not JSON")
        self.position = match.end()
        return match

    @staticmethod
    def _expect(token: re.Match[bytes], mark: bytes) -> None:
        if token[1] != mark:
            raise NotAManifest(f"not JSON at byte {token.start()}: {mark.decode()!r} missing")
