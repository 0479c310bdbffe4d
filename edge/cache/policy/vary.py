"""Which request a stored answer belongs to, RFC 9111 section 4.1."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeVar

from edge.cache.policy.lists import TOKEN, members
from edge.cache.policy.profile import Profile
from edge.origin.upstream import Fields

Variant = tuple[tuple[str, str | None], ...]

_MAX_NAMES = 32
# Members of these mean the same in any order and case.
_PREFERENCES = frozenset({"accept", "accept-charset", "accept-encoding", "accept-language"})
# No field's name: the language of the answer itself, kept beside Accept-Language.
_LANGUAGE = ":language"


class Candidate(Protocol):
    """A stored answer, as far as the choice among several goes."""

    @property
    def variant(self) -> Variant: ...

    @property
    def received_at(self) -> float: ...


C = TypeVar("C", bound=Candidate)


def variant_of(request_fields: Fields, fields: Fields, profile: Profile) -> Variant | None:
    """What the request said in the fields that Vary names; ``None`` if no other request may ever match."""
    names = {name.lower() for name in members(fields, "Vary")}
    if len(names) > _MAX_NAMES or not all(name != "*" and TOKEN.fullmatch(name) for name in names):
        return None
    if profile.vary_allowed is not None and not names <= profile.vary_allowed:
        return None
    variant = [(name, _normal(name, request_fields)) for name in sorted(names)]
    languages = members(fields, "Content-Language")
    if "accept-language" in names and len(languages) == 1:
        variant.append((_LANGUAGE, languages[0].lower()))
    return tuple(variant)


def matches(variant: Variant, request_fields: Fields) -> bool:
    """Whether the request would have been given this answer."""
    language = next((value for name, value in variant if name == _LANGUAGE), None)
    for name, value in variant:
        if name == _LANGUAGE or _normal(name, request_fields) == value:
            continue
        preferred = name == "accept-language" and _favourite_language(request_fields)
        if not preferred or preferred != language:
            return False
    return True


def select(candidates: Iterable[C], request_fields: Fields) -> C | None:
    """The newest of the answers that match."""
    matching = (one for one in candidates if matches(one.variant, request_fields))
    return max(matching, key=lambda one: one.received_at, default=None)


def _normal(name: str, request_fields: Fields) -> str | None:
    """The field in a spelling that all requests share that mean the same; ``None`` if it is absent."""
    if name not in request_fields:
        return None
    listed = members(request_fields, name)
    if name not in _PREFERENCES:
        return ",".join(listed)
    return ",".join(sorted({_preference(member) for member in listed}))


def _preference(member: str) -> str:
    """One preference in lower case, without white space, and without a weight of 1."""
    parts = [part.strip(" \t").lower() for part in member.split(";")]
    return ";".join(part for part in parts if part not in {"q=1", "q=1.0", "q=1.00", "q=1.000"})


def _favourite_language(request_fields: Fields) -> str | None:
    """The one language that the request likes best; ``None`` if there is none or more than one."""
    weights: dict[str, float] = {}
    for member in members(request_fields, "Accept-Language"):
        tag, *parameters = (part.strip(" \t").lower() for part in member.split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            weights[tag] = float(weight)
        except ValueError:
            return None
    best = max(weights.values(), default=0.0)
    favourites = [tag for tag, weight in weights.items() if weight == best]
    return favourites[0] if best > 0 and len(favourites) == 1 and favourites[0] != "*" else None
