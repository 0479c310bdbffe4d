"""A stored answer brought up to date by a 304 or by the answer to a HEAD, RFC 9111 sections 3.2, 4.3.4 and 4.3.5."""

from __future__ import annotations

from multidict import CIMultiDict

from edge.cache.policy.forwarding import kept
from edge.cache.policy.lists import OWS
from edge.cache.policy.profile import GENERIC, Profile
from edge.cache.policy.targeted import effective
from edge.cache.policy.validation import same_etag
from edge.origin.upstream import Fields

# They say how the stored bytes are to be read, and those bytes stay.
_OF_THE_BYTES = frozenset({"content-length", "content-encoding", "content-range"})


def may_freshen(stored: Fields, new: Fields) -> bool:
    """Whether a 304 with these fields is about the stored answer: the validators it names are the stored ones."""
    etag = new.get("ETag", "").strip(OWS)
    if etag and not etag.startswith("W/"):
        return same_etag(etag, stored.get("ETag", "").strip(OWS), weakly=False)
    if etag and "ETag" in stored:
        return same_etag(etag, stored["ETag"].strip(OWS), weakly=True)
    if "Last-Modified" in new and "Last-Modified" in stored:
        return new["Last-Modified"].strip(OWS) == stored["Last-Modified"].strip(OWS)
    return not etag


def head_agrees(stored: Fields, new: Fields) -> bool:
    """Whether a HEAD's 200 describes the stored answer, which it then freshens, and else makes stale."""
    return all(
        new[name].strip(OWS) == stored[name].strip(OWS)
        for name in ("ETag", "Last-Modified", "Content-Length")
        if name in new and name in stored
    )


def freshened(stored: Fields, new: Fields, *, profile: Profile = GENERIC) -> CIMultiDict[str]:
    """The stored fields with the new ones in place of theirs; those that describe the stored bytes stay.

    Age and Date of the old answer are gone even where the new one has none: they said when the old one was made.
    """
    directives = effective(new, profile).directives
    untouched = _OF_THE_BYTES | directives.no_cache_fields | directives.private_fields
    if not profile.store_set_cookie:
        untouched |= {"set-cookie"}
    updates = [(name, value) for name, value in kept(new).items() if name.lower() not in untouched]
    replaced = {name.lower() for name, _ in updates} | {"age", "date"}
    result = CIMultiDict(
        (name, value) for name, value in stored.items() if name.lower() not in replaced
    )
    result.extend(updates)
    return result
