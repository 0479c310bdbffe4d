"""What the catalog has not stored yet, on this machine's disk: read by the next process if this one is killed.

A file per boot, only appended to, and written anew when most of it is out of date. A record is its length (u32), the
CRC-32 of the rest (u32), a kind (u8) and a body; a file that broke off ends with the last whole record.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from config.contracts.sessions import Counted, Quality, SessionStart, StopReason
from edge.sessions.life import Session

SUFFIX = ".log"

_HEAD = struct.Struct("<II")
_MOST_RECORD = 2**20
_FIGURES = struct.Struct("<IBHdddIQIIQ")
_NAMED, _FIGURES_OF, _FORGOTTEN, _WORD, _STORED = range(1, 6)
_NUMBER = struct.Struct("<I")
_STORED_NUMBER = struct.Struct("<Q")
_REASONS: tuple[StopReason | None, ...] = (None, *get_args(StopReason))
_READ_AT_ONCE = 2**16


@dataclass(slots=True, kw_only=True)
class Kept:
    """One session as a journal knows it."""

    start: SessionStart
    name: str  # of its figures
    revision: int = 1
    reason: StopReason | None = None
    at: float = 0.0
    seen_at: float = 0.0
    ended_at: float = 0.0
    counted: Counted = field(default_factory=Counted)
    quality: Quality = field(default_factory=Quality)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """An event that is not made of figures, as text; told again until it is stored."""

    number: int
    kind: str
    text: str


@dataclass(slots=True, kw_only=True)
class Found:
    """What a journal held."""

    sessions: dict[int, Kept] = field(default_factory=dict)
    words: dict[int, Word] = field(default_factory=dict)
    stored: int = 0
    is_torn: bool = False


def pack_named(session: Session) -> bytes:
    """Who it is."""
    fields = {"name": session.name, "start": session.start.to_json()}
    return _record(_NAMED, _NUMBER.pack(session.index) + _json(fields))


def pack_figures(session: Session) -> bytes:
    """How far it is."""
    counted, quality = session.counted(), session.quality()
    more: dict[str, Any] = {}
    if counted.renditions:
        more["r"] = counted.renditions
    if quality != Quality():
        more["q"] = quality.to_json()
    body = _FIGURES.pack(
        session.index,
        _REASONS.index(session.reason),
        min(session.revision, 2**16 - 1),
        session.at,
        session.seen_at,
        session.ended_at,
        counted.requests,
        counted.bytes,
        counted.manifests,
        counted.segments,
        counted.active_ms,
    )
    return _record(_FIGURES_OF, body + (_json(more) if more else b""))


def pack_forgotten(session: Session) -> bytes:
    """Nothing of it is to be told any more."""
    return _record(_FORGOTTEN, _NUMBER.pack(session.index))


def pack_word(word: Word) -> bytes:
    """An event that waits."""
    return _record(_WORD, _json({"n": word.number, "k": word.kind, "e": word.text}))


def pack_stored(number: int) -> bytes:
    """The catalog has all events up to ``number``."""
    return _record(_STORED, _STORED_NUMBER.pack(number))


class Journal:
    """The file of this boot. Used by one thread at a time; an ``OSError`` leaves it as it was before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self.bytes = 0

    def append(self, records: Sequence[bytes]) -> None:
        """Write them behind the others."""
        if self._file is None:
            self._file = _created(self._path)
        _write_all(self._file, b"".join(records), at=self.bytes)
        self.bytes += sum(map(len, records))

    def sync(self) -> None:
        """Have it outlive a power failure."""
        if self._file is not None:
            os.fdatasync(self._file)

    def write_anew(self, records: Iterable[bytes]) -> None:
        """Have only these; the old file stays until the new one is whole."""
        temporary = self._path.with_name(self._path.name + ".new")
        temporary.unlink(missing_ok=True)
        file = _created(temporary)
        size = 0
        try:
            for record in records:
                _write_all(file, record, at=size)
                size += len(record)
            os.fdatasync(file)
            temporary.replace(self._path)
        except BaseException:
            os.close(file)
            temporary.unlink(missing_ok=True)
            raise
        self.close()
        self._file, self.bytes = file, size

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def others(folder: Path, *, boot: str) -> list[Path]:
    """Journals of processes before this one, the oldest first; one that was not written to its end is removed."""
    for path in folder.glob(f"*{SUFFIX}.new"):
        if not path.name.startswith(boot):
            path.unlink(missing_ok=True)
    found = [path for path in folder.glob(f"*{SUFFIX}") if path.stem != boot]
    return sorted(found, key=lambda path: path.stat().st_mtime)


def read_journal(path: Path) -> Found:
    """Everything in a file up to where it broke off; an ``OSError`` if it cannot be read."""
    found = Found()
    with path.open("rb", buffering=_READ_AT_ONCE) as file:
        for kind, body in _records(file, found):
            try:
                _know(found, kind, body)
            except (ValueError, KeyError, TypeError, struct.error, IndexError):
                found.is_torn = True  # its sum is right: another version wrote it
    return found


def _records(file: Any, found: Found) -> Iterator[tuple[int, bytes]]:
    while head := file.read(_HEAD.size):
        if len(head) < _HEAD.size:
            break
        length, crc = _HEAD.unpack(head)
        data = file.read(min(length, _MOST_RECORD))
        if not 0 < length <= _MOST_RECORD or len(data) < length or zlib.crc32(data) != crc:
            break
        yield data[0], data[1:]
    else:
        return
    found.is_torn = True


def _know(found: Found, kind: int, body: bytes) -> None:
    if kind == _NAMED:
        (index,) = _NUMBER.unpack_from(body)
        fields = json.loads(body[_NUMBER.size :])
        start = SessionStart.from_json(fields["start"])
        found.sessions[index] = Kept(start=start, name=str(fields["name"]))
    elif kind == _FIGURES_OF:
        _know_figures(found, body)
    elif kind == _FORGOTTEN:
        found.sessions.pop(_NUMBER.unpack(body)[0], None)
    elif kind == _WORD:
        fields = json.loads(body)
        word = Word(number=int(fields["n"]), kind=str(fields["k"]), text=str(fields["e"]))
        found.words[word.number] = word
    elif kind == _STORED:
        (found.stored,) = _STORED_NUMBER.unpack(body)
        for number in [number for number in found.words if number <= found.stored]:
            del found.words[number]


def _know_figures(found: Found, body: bytes) -> None:
    (
        index,
        reason,
        revision,
        at,
        seen_at,
        ended_at,
        requests,
        given,
        manifests,
        segments,
        active,
    ) = _FIGURES.unpack_from(body)
    more = json.loads(body[_FIGURES.size :]) if len(body) > _FIGURES.size else {}
    held = found.sessions[index]
    held.reason, held.revision = _REASONS[reason], revision
    held.at, held.seen_at, held.ended_at = at, seen_at, ended_at
    held.counted = Counted(
        requests=requests,
        bytes=given,
        manifests=manifests,
        segments=segments,
        active_ms=active,
        renditions=dict(more.get("r", {})),
    )
    held.quality = Quality.from_json(more.get("q", {}))


def _record(kind: int, body: bytes) -> bytes:
    data = bytes((kind,)) + body
    return _HEAD.pack(len(data), zlib.crc32(data)) + data


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _created(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, 0o600)


def _write_all(file: int, data: bytes, *, at: int) -> None:
    """Write in whole at ``at``, or cut off again what was written."""
    view = memoryview(data)
    place = at
    try:
        while view:
            written = os.pwrite(file, view, place)
            view = view[written:]
            place += written
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(file, at)
        raise
