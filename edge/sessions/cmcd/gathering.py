"""Puts the members of one report together, each checked by the kind that its key has."""

from __future__ import annotations

import re

from edge.sessions.cmcd.keys import (
    FORGOTTEN,
    MOST_CHARS_OF,
    MOST_CUSTOM_CHARS,
    OBJECT_TYPES,
    PLAIN_IN_V1,
    TOKENS,
    Kind,
    is_custom,
)
from edge.sessions.cmcd.values import Cmcd, Fault, Measures, Mode

MOST_ITEMS = 16  # of one list

_INTEGER = re.compile(r"-?[0-9]{1,15}\Z")
_DECIMAL = re.compile(r"-?[0-9]{1,12}\.[0-9]{1,3}\Z")
_TOKEN = re.compile(r"[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*\Z")
_OTHER_ITEM = re.compile(r"\?[01]\Z|:[A-Za-z0-9+/]*=*:\Z|@-?[0-9]{1,15}\Z")
_ESCAPED = re.compile(r"\\(.)")
_PARAMETER = re.compile(r'; *([a-z*][a-z0-9_.*-]*)(?:=("(?:[^"\\]|\\["\\])*"|[^;"() ]+))?')
# One item of an inner list: a number or a string, its parameters, and the space behind it.
_NUMBER_ITEM = re.compile(r"(-?[0-9]{1,15}(?:\.[0-9]{1,3})?)((?:;[^ ;()\"]+)*+)(?: ++|\Z)")
_STRING_ITEM = re.compile(
    r'("[^"\\]*+(?:\\["\\][^"\\]*+)*+")((?:;[^ ;()"=]+(?:="[^"\\]*+"|=[^ ;()"]+)?)*+)(?: ++|\Z)'
)


class Gathering:
    """One report while it is being read; of several members with one key the last counts (RFC 9651 section 4.2.2)."""

    __slots__ = (
        "_errors",
        "_faults",
        "_flags",
        "_following",
        "_integers",
        "_measures",
        "_mode",
        "_nrr",
        "_rate",
        "_shapes",
        "_texts",
    )

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self._integers: dict[str, int] = {}
        self._measures: dict[str, Measures] = {}
        self._texts: dict[str, str] = {}
        self._flags: dict[str, bool] = {}
        self._errors: tuple[str, ...] = ()
        self._following: tuple[tuple[str | None, str | None], ...] = ()
        self._nrr: str | None = None
        self._rate: float | None = None
        self._faults: set[Fault] = set()
        self._shapes: set[bool] = (
            set()
        )  # whether lists were written for what version 1 has none for

    def fault(self, fault: Fault) -> None:
        """Something is wrong with it."""
        self._faults.add(fault)

    def add(self, key: str, kind: Kind | None, value: str, parameters: str) -> None:
        """One member: its value as it was written, with the signs around it; empty for a bare key."""
        if kind == "measures":
            self._add_measures(key, value, parameters)
            return
        if parameters and kind != "strings":
            self._faults.add("value")
        if kind == "integer":
            self._add_integer(key, value)
        elif kind == "token":
            if value in TOKENS[key]:
                self._texts[key] = value
                return
            self._faults.add("syntax" if _is_malformed(value) else "value")
            if value[1:-1] in TOKENS[key] and value[0] == '"':
                self._texts[key] = value[1:-1]
        elif kind == "string":
            self._add_string(key, value)
        elif kind == "boolean":
            self._add_boolean(key, value)
        elif kind == "strings":
            self._add_strings(key, value, parameters)
        elif kind == "number":
            number = _number(value)
            if number is None or number < 0:
                self._faults.add("syntax" if _is_malformed(value) else "value")
            else:
                self._rate = number
        else:
            self._add_foreign(key, value)

    def add_measures(self, key: str, measures: Measures, *, is_list: bool) -> None:
        """The same, read elsewhere."""
        self._measures[key] = measures
        if key in PLAIN_IN_V1:
            self._shapes.add(is_list)
        elif not is_list:
            self._faults.add("value")

    def add_following(
        self, following: tuple[tuple[str | None, str | None], ...], *, is_list: bool
    ) -> None:
        """What comes next."""
        self._following = following[:MOST_ITEMS]
        self._shapes.add(is_list)

    def add_errors(self, errors: tuple[str, ...]) -> None:
        """Codes of faults of the player."""
        self._errors = errors[:MOST_ITEMS]

    def add_text(self, key: str, text: str) -> None:
        """A string; one that is too long is a fault, and is not kept."""
        if len(text) > MOST_CHARS_OF.get(key, len(text)):
            self._faults.add("value")
        elif key == "nrr":
            self._nrr = text
        elif key not in FORGOTTEN:
            self._texts[key] = text

    def done(self, *, more: tuple[Fault, ...] = ()) -> Cmcd:
        """All of it."""
        version = self._integers.pop("v", 1)
        if version not in (1, 2):
            self._faults.add("version")
            version = 2
        if (version == 1) in self._shapes:
            self._faults.add("value")
        if more:
            self._faults.update(more)
        following = self._following
        if self._nrr is not None and len(following) < 2:
            following = ((following[0][0] if following else None, self._nrr),)
        return Cmcd(
            mode=self._mode,
            version=version,
            integers=self._integers,
            measures=self._measures,
            texts=self._texts,
            flags=self._flags,
            errors=self._errors,
            following=following,
            rate=self._rate,
            faults=tuple(sorted(self._faults)) if self._faults else (),
        )

    def _add_measures(self, key: str, value: str, parameters: str) -> None:
        if value[:1] == "(":
            self.add_measures(key, self._measures_in(value[1:-1]), is_list=True)
            return
        number = _number(value)
        if number is None or number < 0:
            self._faults.add("syntax" if _is_malformed(value) else "value")
            return
        self.add_measures(key, ((round(number), _type_of(parameters)),), is_list=False)

    def _measures_in(self, inside: str) -> Measures:
        inside = inside.strip(" ")
        found: list[tuple[int, str]] = []
        at = 0
        for item in _NUMBER_ITEM.finditer(inside):
            if item.start() != at or len(found) == MOST_ITEMS:
                break
            at = item.end()
            number = float(item[1])
            if number >= 0:
                found.append((round(number), _type_of(item[2]) if item[2] else ""))
            else:
                self._faults.add("value")
        if at != len(inside):
            self._faults.add("syntax" if "," in inside and '"' not in inside else "value")
        return tuple(found)

    def _add_integer(self, key: str, value: str) -> None:
        # Far the most are plain digits.
        if value.isdigit() and value.isascii() and len(value) <= 15:
            self._integers[key] = int(value)
            return
        number = _number(value)
        self._faults.add("syntax" if number is None and _is_malformed(value) else "value")
        if number is not None and number >= 0:
            self._integers[key] = round(number)

    def _add_string(self, key: str, value: str) -> None:
        text = _text(value)
        if text is None:
            self._faults.add("syntax" if _is_malformed(value) else "value")
        else:
            self.add_text(key, text)

    def _add_boolean(self, key: str, value: str) -> None:
        if value in ("", "?1"):
            self._flags[key] = True
        elif value == "?0":
            self._flags[key] = False
        else:
            self._faults.add("syntax" if _is_malformed(value) else "value")

    def _add_strings(self, key: str, value: str, parameters: str) -> None:
        if value[:1] == "(":
            items, is_whole = _strings_in(value[1:-1])
            if not is_whole:
                self._faults.add("value")
        else:
            text = _text(value)
            if text is None:
                self._faults.add("syntax" if _is_malformed(value) else "value")
                return
            items = ((text, parameters),)
            if key == "ec":
                self._faults.add("value")
        if key == "ec":
            self.add_errors(tuple(text for text, _ in items))
        else:
            following = tuple((text, _range_of(more)) for text, more in items)
            self.add_following(following, is_list=value[:1] == "(")

    def _add_foreign(self, key: str, value: str) -> None:
        if _is_malformed(value):
            self._faults.add("syntax")
        elif not is_custom(key):
            self._faults.add("key")
        elif _text(value) is None or len(value) > MOST_CUSTOM_CHARS + 2 * (value[0] == '"'):
            self._faults.add("value")


def _number(value: str) -> float | None:
    if _INTEGER.match(value) or _DECIMAL.match(value):
        return float(value)
    return None


def _text(value: str) -> str | None:
    """A string without its quotes; a token stands for itself."""
    if value[:1] == '"':
        text = value[1:-1]
        return _ESCAPED.sub(r"\1", text) if "\\" in text else text
    return value if _TOKEN.match(value) else None


def _type_of(parameters: str) -> str:
    """The type of object that a measure holds for: the first of its parameters that is one."""
    for name in parameters[1:].split(";"):
        if name.strip(" ") in OBJECT_TYPES:
            return name.strip(" ")
    return ""


def _strings_in(inside: str) -> tuple[tuple[tuple[str, str], ...], bool]:
    inside = inside.strip(" ")
    found: list[tuple[str, str]] = []
    at = 0
    for item in _STRING_ITEM.finditer(inside):
        if item.start() != at or len(found) == MOST_ITEMS:
            break
        at = item.end()
        found.append((_text(item[1]) or "", item[2]))
    return tuple(found), at == len(inside)


def _range_of(parameters: str) -> str | None:
    if not parameters:
        return None
    return next((_text(value) for key, value in _PARAMETER.findall(parameters) if key == "r"), None)


def _is_malformed(value: str) -> bool:
    """Whether no structured field has such a value: what is between quotes or parentheses is not looked at."""
    if value[:1] in ("", '"', "("):
        return False
    patterns = (_INTEGER, _DECIMAL, _TOKEN, _OTHER_ITEM)
    return not any(pattern.match(value) for pattern in patterns)
