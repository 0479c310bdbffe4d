"""CMCD as a JSON object, as players before the first version sent it, and some tools still do."""

from __future__ import annotations

import json

from edge.sessions.cmcd.gathering import MOST_ITEMS, Gathering
from edge.sessions.cmcd.keys import KINDS, OBJECT_TYPES, TOKENS, is_custom
from edge.sessions.cmcd.values import Cmcd, Measures, Mode

_MOST_NUMBER = 10**15 - 1
_MOST_MEMBERS = 128


def read_json(text: str, *, mode: Mode) -> Cmcd:
    """The same keys and the same checks; a list of numbers may hold objects with ``value`` and ``params``."""
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        return Cmcd(mode=mode, faults=("syntax",))
    return of_members(members, mode=mode)


def of_members(members: object, *, mode: Mode) -> Cmcd:
    """The same of what was an object already."""
    if not isinstance(members, dict):
        return Cmcd(mode=mode, faults=("syntax",))
    if len(members) > _MOST_MEMBERS:
        return Cmcd(mode=mode, faults=("number",))
    gathering = Gathering(mode)
    for key, value in members.items():
        if not _add(gathering, key, value):
            gathering.fault("value")
    return gathering.done()


def _add(gathering: Gathering, key: str, value: object) -> bool:
    kind = KINDS.get(key)
    if kind is None:
        if not is_custom(key):
            gathering.fault("key")
        return True
    if kind in ("integer", "number"):
        number = _number(value)
        if number is None:
            return False
        gathering.add(key, kind, f"{number:g}" if kind == "number" else str(round(number)), "")
        return kind == "number" or number == round(number)
    if kind == "boolean":
        if isinstance(value, bool):
            gathering.add(key, kind, "?1" if value else "?0", "")
        return isinstance(value, bool)
    if kind == "measures":
        return _add_measures(gathering, key, value)
    if kind == "token":
        if isinstance(value, str) and value in TOKENS[key]:
            gathering.add(key, kind, value, "")
            return True
        return False
    if kind == "string":
        if isinstance(value, str):
            gathering.add_text(key, value)
        return isinstance(value, str)
    return _add_strings(gathering, key, value)


def _add_measures(gathering: Gathering, key: str, value: object) -> bool:
    is_list = isinstance(value, list)
    items = value[:MOST_ITEMS] if isinstance(value, list) else [value]
    found = [one for item in items for one in _measure(item)]
    if found:
        gathering.add_measures(key, tuple(found), is_list=is_list)
    return len(found) == len(items)


def _measure(item: object) -> Measures:
    kind = ""
    if isinstance(item, dict):
        parameters = item.get("params")
        if isinstance(parameters, dict):
            kind = next((name for name in parameters if name in OBJECT_TYPES), "")
        item = item.get("value")
    number = _number(item)
    return () if number is None else ((round(number), kind),)


def _add_strings(gathering: Gathering, key: str, value: object) -> bool:
    items = value if isinstance(value, list) else [value]
    texts = [item for item in items[:MOST_ITEMS] if isinstance(item, str)]
    if key == "ec":
        gathering.add_errors(tuple(texts))
    elif texts:
        following = tuple((text, None) for text in texts)
        gathering.add_following(following, is_list=isinstance(value, list))
    return len(texts) == len(items)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value <= _MOST_NUMBER else None
