"""MaxMind DB files: opened from a copy, so that one that is written over cannot take the process with it."""

from __future__ import annotations

import math
import os
import re
import shutil
import stat
import tempfile
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import maxminddb

from config.contracts.grants import NOWHERE, Place
from edge.forwarded import Address

_PROBED = 64
_COUNTRY = re.compile(r"[A-Z]{2}\Z")
_SUBDIVISION = re.compile(r"[A-Z0-9]{1,3}\Z")

Mark = tuple[int, int, int]


class BadGeoFile(Exception):
    """The file cannot be used; the message says why in a few words."""


@dataclass(frozen=True, slots=True)
class GeoFile:
    """One file as it was when it was opened."""

    mark: Mark | None  # of the file that was read
    reader: maxminddb.Reader

    @property
    def built_at(self) -> int:
        """When its data was made, in seconds since the epoch."""
        return self.reader.metadata().build_epoch

    def place_of(self, address: Address) -> Place:
        """What the file knows; ``BadGeoFile`` if it is damaged there."""
        if address.version > self.reader.metadata().ip_version:
            return NOWHERE  # a file of IPv4 only
        try:
            return read_place(self.reader.get(address))
        except (maxminddb.InvalidDatabaseError, ValueError) as error:
            raise BadGeoFile("the file is damaged") from error


def mark_of(path: Path) -> Mark | None:
    """What changes when a file is replaced or written over; ``None`` if it is not there."""
    try:
        return _mark(path.stat())
    except OSError:
        return None


def open_file(path: Path) -> GeoFile:
    """Copy and open a file, and read some of it; ``BadGeoFile`` if it is none or changed meanwhile."""
    try:
        with (
            open(path, "rb", opener=_without_waiting) as source,
            tempfile.NamedTemporaryFile(prefix="kawa-geo-") as copy,
        ):
            before = os.fstat(source.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise BadGeoFile("not a file")
            shutil.copyfileobj(source, copy)
            copy.flush()
            if _mark(os.fstat(source.fileno())) != _mark(before):
                raise BadGeoFile("the file changed while it was read")
            # Mapped into memory: the pages stay when the copy's name goes.
            reader = maxminddb.open_database(copy.name)
            for _, record in islice(reader, _PROBED):
                read_place(record)
    except OSError as error:
        raise BadGeoFile(error.strerror or "cannot be read") from error
    except (maxminddb.InvalidDatabaseError, ValueError, TypeError) as error:
        raise BadGeoFile("not a MaxMind DB file, or not all of it") from error
    return GeoFile(_mark(before), reader)


def read_place(record: Any) -> Place:
    """What a record of the City, Country or ASN layout says; whatever is not as it should be is not known."""
    country = _code(_in(record, "country", "iso_code"), _COUNTRY)
    subdivisions = _in(record, "subdivisions")
    first = subdivisions[0] if isinstance(subdivisions, list) and subdivisions else None
    subdivision = _code(_in(first, "iso_code"), _SUBDIVISION)
    latitude = _degrees(_in(record, "location", "latitude"), 90)
    longitude = _degrees(_in(record, "location", "longitude"), 180)
    network = _in(record, "autonomous_system_number")
    whole = latitude is not None and longitude is not None
    return Place(
        country=country,
        subdivision=f"{country}-{subdivision}" if country and subdivision else "",
        latitude=latitude if whole else None,
        longitude=longitude if whole else None,
        network=network if type(network) is int and network > 0 else None,
    )


def _without_waiting(path: str, flags: int) -> int:
    """Open what is no pipe; one that is would be waited for until somebody writes into it."""
    return os.open(path, flags | os.O_NONBLOCK)


def _mark(found: os.stat_result) -> Mark:
    return found.st_mtime_ns, found.st_size, found.st_ino


def _in(record: Any, *names: str) -> Any:
    for name in names:
        record = record.get(name) if isinstance(record, dict) else None
    return record


def _code(value: Any, form: re.Pattern[str]) -> str:
    return value if isinstance(value, str) and form.match(value) else ""


def _degrees(value: Any, most: float) -> float | None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return float(value) if abs(value) <= most else None
