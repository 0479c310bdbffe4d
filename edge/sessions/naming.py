"""What a session is called, and what its first request tells of the viewer; none of it opens or locates anything."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network

from config.contracts.devices import agent_of, device_of
from config.contracts.grants import Grant
from config.contracts.sessions import SessionStart, session_key
from config.settings.sessions import SessionSettings

# The end of a session whose token may be renewed without end.
NEVER = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp())

OWN_SCHEME = "kawa"
_USERS = "user:"  # what the catalog's subjects begin with
_LONGEST_RENDITION = 48
# Numbers at the end of a file's name, with what sets them off: '12', 'seg-00012', 'v_720p_3'.
_NUMBERS = re.compile(r"(?:[-_.]?\d+)+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a request tells of its viewer."""

    user_agent: str = ""
    address: IPv4Address | IPv6Address | None = None
    country: str = ""


# Looked up only for the first request of a session.
GetFacts = Callable[[], Facts]


def session_id(grant: Grant, prefix: str) -> str:
    """The id of what is played under ``prefix``, one of the grant's."""
    return session_key(_session_of(grant), prefix, alone=len(grant.path_prefixes) == 1)


def subject_of(grant: Grant) -> str:
    """Who watches; nobody whom another signer names is taken for one of the catalog's users."""
    if grant.scheme == OWN_SCHEME:
        return grant.subject
    if grant.subject in ("", grant.issuer):
        # It names no viewer: all that it lets in are not one who plays everything at once.
        return _session_of(grant)
    return f"{grant.scheme}:{grant.subject}" if grant.subject.startswith(_USERS) else grant.subject


def _session_of(grant: Grant) -> str:
    if grant.scheme == OWN_SCHEME:
        return grant.session
    # Whoever else signs knows nothing of our names: two viewers of its may have one session '1'.
    said = repr((grant.scheme, grant.issuer, grant.subject, grant.session)).encode()
    return f"{grant.scheme}-{hashlib.blake2b(said, digest_size=12).hexdigest()}"


def start_of(
    grant: Grant, prefix: str, facts: Facts, *, settings: SessionSettings, secret: bytes, now: float
) -> SessionStart:
    """A session that begins at ``now``."""
    return SessionStart(
        id=session_id(grant, prefix),
        grant=grant.session,
        subject=subject_of(grant),
        content=prefix,
        started_at=int(now),
        ends_at=end_of(grant),
        limit=grant.stream_limit,
        device=device_of(facts.user_agent),
        agent=agent_of(facts.user_agent),
        country=facts.country,
        network=network_of(facts.address, form=settings.address, secret=secret, now=now),
    )


def end_of(grant: Grant) -> int:
    """When no token of the grant's session holds any longer, in seconds since the epoch."""
    if grant.renewal is None:
        return grant.expires_at
    return NEVER if grant.renewal.until is None else max(grant.expires_at, grant.renewal.until)


@lru_cache(maxsize=4096)
def rendition_of(path: str) -> str:
    """Which rendition a segment's path belongs to: its folder, and its name without the numbers at its end."""
    folder, _, name = path.rpartition("/")
    stem = _NUMBERS.sub("", name.partition(".")[0])
    if stem in ("init", "seg", "segment", "chunk", "part", "media"):
        stem = ""
    folder = folder.rpartition("/")[2]
    return f"{folder}/{stem}"[-_LONGEST_RENDITION:] if stem else folder[-_LONGEST_RENDITION:]


def network_of(
    address: IPv4Address | IPv6Address | None, *, form: str, secret: bytes, now: float
) -> str:
    """An address as far as the privacy settings let it be kept; its hash is another one each day."""
    if address is None or form == "none":
        return ""
    if form == "prefix":
        return _prefix(address)
    day = datetime.fromtimestamp(now, UTC).date().isoformat()
    text = f"address:{day}:{address}"
    return hashlib.blake2b(text.encode(), key=secret, digest_size=8).hexdigest()


def _prefix(address: IPv4Address | IPv6Address) -> str:
    bits = 24 if isinstance(address, IPv4Address) else 48
    return str(ip_network((address, bits), strict=False))
