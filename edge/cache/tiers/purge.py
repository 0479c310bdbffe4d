"""What is to be forgotten, as an operator or another edge says it, and which entries that means."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from edge.errors import BadPurge

Kind = Literal["url", "prefix", "tag", "all"]

# In a key, what follows the first of these says which variant or slice of the URL it is.
PART = "\n"

MOST_BYTES = 16 * 1024
MOST_CHARACTERS = 8 * 1024
_KINDS: tuple[Kind, ...] = ("url", "prefix", "tag", "all")
_FIELDS = {"kind", "value", "soft"}


def base_of(key: str) -> str:
    """The origin and URL in a key, without variant and slice."""
    return key.partition(PART)[0]


class Purgeable(Protocol):
    """What an entry shows of itself here."""

    @property
    def key(self) -> str: ...

    @property
    def tags(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Purge:
    """Entries to forget, or with ``soft`` to ask about again before they are used."""

    kind: Kind
    value: str = ""
    soft: bool = False

    def __post_init__(self) -> None:
        if (self.kind == "all") == bool(self.value):
            raise BadPurge("a purge of all has no value, every other has one")
        if len(self.value) > MOST_CHARACTERS:
            raise BadPurge(f"a value has at most {MOST_CHARACTERS} characters")
        if not self.value.isprintable():  # lone surrogates and line ends are among what is not
            raise BadPurge("a value holds printable characters only")

    @classmethod
    def parse(cls, data: bytes) -> Purge:
        """The purge that a JSON object asks for; ``BadPurge`` for anything else."""
        if len(data) > MOST_BYTES:
            raise BadPurge(f"a purge has at most {MOST_BYTES} bytes")
        try:
            found = json.loads(data.decode("utf-8"), object_pairs_hook=_without_repeats)
        except (ValueError, RecursionError) as error:
            raise BadPurge("not JSON") from error
        return cls.of(found)

    @classmethod
    def of(cls, found: object) -> Purge:
        """The purge in a decoded JSON value."""
        if not isinstance(found, dict):
            raise BadPurge("a purge is a JSON object")
        if unknown := set(found) - _FIELDS:
            raise BadPurge(f"unknown fields: {len(unknown)}; there are kind, value and soft")
        value, soft = found.get("value", ""), found.get("soft", False)
        kind = next((kind for kind in _KINDS if kind == found.get("kind")), None)
        if kind is None:
            raise BadPurge(f"kind is one of {', '.join(_KINDS)}")
        if not isinstance(value, str) or not isinstance(soft, bool):
            raise BadPurge("value is a string and soft a boolean")
        return cls(kind, value, soft)

    def to_json(self) -> bytes:
        """What ``parse`` reads."""
        fields: dict[str, Any] = {"kind": self.kind, "soft": self.soft}
        if self.kind != "all":
            fields["value"] = self.value
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()

    def covers(self, base: str, tags: Collection[str]) -> bool:
        """Whether what is kept under ``base``, with these tags, is meant."""
        match self.kind:
            case "url":
                return base == self.value
            case "prefix":
                return base.startswith(self.value)
            case "tag":
                return self.value in tags
            case "all":
                return True

    def matches(self, entry: Purgeable) -> bool:
        """Whether ``entry`` is meant."""
        return self.covers(base_of(entry.key), entry.tags)


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a field stands there twice")
    return found
