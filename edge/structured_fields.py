"""Structured fields, RFC 9651: items, lists and dictionaries, read strictly and written canonically."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation

MAX_CHARS = 16 * 1024  # of one whole field; every pass over it is linear

_KEY = re.compile(r"[a-z*][a-z0-9_\-.*]*")
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*")
_NUMBER = re.compile(r"-?(\d+)(?:\.(\d*))?", re.ASCII)
_STRING = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*+)"')
_ESCAPED = re.compile(r"\\(.)")
_BINARY = re.compile(r":([A-Za-z0-9+/]*+=*+):")
_DISPLAY = re.compile(r'%"((?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*+)"')
_OCTET = re.compile(rb"%([0-9a-f]{2})")
_SPACES = re.compile(r" *")
_WHITE = re.compile(r"[ \t]*")

_MAX_INTEGER = 10**15 - 1
_MAX_DECIMAL = Decimal(10) ** 12


class BadStructuredField(ValueError):
    """The field is not one by RFC 9651, or the value cannot be written as one."""


@dataclass(frozen=True, slots=True)
class Token:
    """A bare word, as distinct from a quoted string."""

    value: str


@dataclass(frozen=True, slots=True)
class Date:
    """An instant."""

    at: int  # seconds since the epoch, UTC


@dataclass(frozen=True, slots=True)
class DisplayString:
    """Text for people, with any characters."""

    text: str


BareItem = int | Decimal | bool | str | bytes | Token | Date | DisplayString
Parameters = Mapping[str, BareItem]


@dataclass(frozen=True, slots=True)
class Item:
    """A value with its parameters."""

    value: BareItem
    parameters: Parameters = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InnerList:
    """A list in parentheses, with parameters of its own."""

    items: tuple[Item, ...]
    parameters: Parameters = field(default_factory=dict)


Member = Item | InnerList


def parse_item(text: str) -> Item:
    """The field as one item."""
    reader = _Reader(text)
    item = reader.item()
    reader.finish()
    return item


def parse_list(text: str) -> tuple[Member, ...]:
    """The field as a list; several lines are joined by a comma before."""
    reader = _Reader(text)
    members: list[Member] = []
    while reader.more(first=not members):
        members.append(reader.member())
    return tuple(members)


def parse_dictionary(text: str) -> dict[str, Member]:
    """The field as a dictionary; of several members with one key the last counts, in the place of the first."""
    reader = _Reader(text)
    members: dict[str, Member] = {}
    first = True
    while reader.more(first=first):
        first = False
        key = reader.key()
        if reader.take("="):
            members[key] = reader.member()
        else:
            members[key] = Item(True, reader.parameters())
    return members


def write_item(item: Item) -> str:
    """The canonical text of an item."""
    return _bare(item.value) + _parameters(item.parameters)


def write_list(members: Iterable[Member]) -> str:
    """The canonical text of a list; an empty list is no field at all."""
    return ", ".join(_member(member) for member in members)


def write_dictionary(members: Mapping[str, Member]) -> str:
    """The canonical text of a dictionary; an empty one is no field at all."""
    return ", ".join(_pair(_key(key), member) for key, member in members.items())


class _Reader:
    """RFC 9651 section 4.2, one place in the text at a time."""

    __slots__ = ("_at", "_text")

    def __init__(self, text: str) -> None:
        if len(text) > MAX_CHARS:
            raise BadStructuredField("longer than a field may be")
        self._text = text.strip(" ")
        self._at = 0

    def finish(self) -> None:
        if self._at != len(self._text):
            raise self._bad("something follows")

    def more(self, *, first: bool) -> bool:
        """Whether another member follows; steps over the comma before it."""
        if first:
            return bool(self._text)
        self._skip(_WHITE)
        if self._at == len(self._text):
            return False
        if not self.take(","):
            raise self._bad("no comma")
        self._skip(_WHITE)
        if self._at == len(self._text):
            raise self._bad("nothing after a comma")
        return True

    def take(self, char: str) -> bool:
        if not self._text.startswith(char, self._at):
            return False
        self._at += 1
        return True

    def key(self) -> str:
        return self._match(_KEY, "a key").group()

    def member(self) -> Member:
        return self._inner_list() if self._text.startswith("(", self._at) else self.item()

    def item(self) -> Item:
        value = self._bare()
        return Item(value, self.parameters())

    def parameters(self) -> dict[str, BareItem]:
        found: dict[str, BareItem] = {}
        while self.take(";"):
            self._skip(_SPACES)
            key = self.key()
            found[key] = self._bare() if self.take("=") else True
        return found

    def _inner_list(self) -> InnerList:
        self._at += 1
        items: list[Item] = []
        while True:
            self._skip(_SPACES)
            if self.take(")"):
                return InnerList(tuple(items), self.parameters())
            items.append(self.item())
            if not self._text.startswith((" ", ")"), self._at):
                raise self._bad("no space between items")

    def _bare(self) -> BareItem:
        first = self._text[self._at : self._at + 1]
        if first == '"':
            text = self._match(_STRING, "a string").group(1)
            return _ESCAPED.sub(r"\1", text) if "\\" in text else text
        if first == ":":
            return self._binary()
        if first == "?":
            return self._boolean()
        if first == "@":
            self._at += 1
            instant = self._number()
            if not isinstance(instant, int):
                raise self._bad("a date with a fraction")
            return Date(instant)
        if first == "%":
            return self._display()
        if first == "-" or first.isdecimal():
            return self._number()
        return Token(self._match(_TOKEN, "a value").group())

    def _number(self) -> int | Decimal:
        match = self._match(_NUMBER, "a number")
        whole, fraction = match.groups()
        if fraction is None:
            if len(whole) > 15:
                raise self._bad("a number too long")
            return int(match.group())
        if not 1 <= len(fraction) <= 3 or len(whole) > 12:
            raise self._bad("a decimal too long")
        return Decimal(match.group())

    def _binary(self) -> bytes:
        encoded = self._match(_BINARY, "a byte sequence").group(1)
        try:
            return b64decode(encoded, validate=True)
        except Base64Error as error:
            raise self._bad("not base64") from error

    def _boolean(self) -> bool:
        digit = self._text[self._at + 1 : self._at + 2]
        if digit not in {"0", "1"}:
            raise self._bad("not a boolean")
        self._at += 2
        return digit == "1"

    def _display(self) -> DisplayString:
        quoted = self._match(_DISPLAY, "a display string").group(1).encode("ascii")
        octets = _OCTET.sub(lambda match: bytes.fromhex(match.group(1).decode("ascii")), quoted)
        try:
            return DisplayString(octets.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise self._bad("not UTF-8") from error

    def _match(self, pattern: re.Pattern[str], wanted: str) -> re.Match[str]:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise self._bad(f"not {wanted}")
        self._at = match.end()
        return match

    def _skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._at = match.end()

    def _bad(self, what: str) -> BadStructuredField:
        return BadStructuredField(f"{what} at character {self._at}")


def _pair(key: str, member: Member) -> str:
    if isinstance(member, Item) and member.value is True:
        return key + _parameters(member.parameters)
    return f"{key}={_member(member)}"


def _member(member: Member) -> str:
    if isinstance(member, Item):
        return write_item(member)
    inside = " ".join(write_item(item) for item in member.items)
    return f"({inside}){_parameters(member.parameters)}"


def _parameters(parameters: Parameters) -> str:
    return "".join(
        f";{_key(key)}" if value is True else f";{_key(key)}={_bare(value)}"
        for key, value in parameters.items()
    )


def _key(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise BadStructuredField(f"not a key: {key!r}")
    return key


def _bare(value: BareItem) -> str:
    if isinstance(value, bool):
        return "?1" if value else "?0"
    if isinstance(value, int):
        return _integer(value)
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bytes):
        return f":{b64encode(value).decode('ascii')}:"
    if isinstance(value, Date):
        return "@" + _integer(value.at)
    if isinstance(value, DisplayString):
        return _display_string(value.text)
    if not _TOKEN.fullmatch(value.value):
        raise BadStructuredField(f"not a token: {value.value!r}")
    return value.value


def _integer(value: int) -> str:
    if abs(value) > _MAX_INTEGER:
        raise BadStructuredField("an integer of more than 15 digits")
    return str(value)


def _decimal(value: Decimal) -> str:
    try:
        rounded = value.quantize(Decimal("0.001"), rounding=ROUND_HALF_EVEN)
    except InvalidOperation as error:
        raise BadStructuredField("not a decimal of 12 digits") from error
    if not rounded.is_finite() or abs(rounded) >= _MAX_DECIMAL:
        raise BadStructuredField("not a decimal of 12 digits")
    whole, _, fraction = f"{rounded:f}".partition(".")
    return f"{whole}.{fraction.rstrip('0') or '0'}"


def _string(text: str) -> str:
    if not all("\x20" <= char <= "\x7e" for char in text):
        raise BadStructuredField("a string holds visible ASCII only")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _display_string(text: str) -> str:
    try:
        octets = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise BadStructuredField("not Unicode text") from error
    shown = "".join(
        chr(octet) if 0x20 <= octet <= 0x7E and octet not in b'%"' else f"%{octet:02x}"
        for octet in octets
    )
    return f'%"{shown}"'
