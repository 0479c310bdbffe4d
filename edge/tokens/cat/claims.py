"""A token's claims: each is enforced, says nothing about access, or refuses the token; none is ignored."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from config.contracts.grants import Rule
from edge.errors import TokenBadClaims, TokenMalformed, TokenUnsupported
from edge.tokens.cat.answers import Answers
from edge.tokens.cat.cbor import MAP_TAG, read
from edge.tokens.cat.clients import Clients, Fields, Protocols, entries
from edge.tokens.cat.names import (
    AUD,
    CATALPN,
    CATGEOCOORD,
    CATGEOISO3166,
    CATH,
    CATIF,
    CATIFDATA,
    CATM,
    CATNIP,
    CATR,
    CATREPLAY,
    CATU,
    CATV,
    CLAIMS,
    CTI,
    EXP,
    GEOHASH,
    IAT,
    ISS,
    NBF,
    SUB,
    TAG_IPV4,
    TAG_IPV6,
)
from edge.tokens.cat.places import Around, Cells
from edge.tokens.cat.uris import UriParts
from edge.tokens.rules import Countries, Methods

_MAX_TEXT = 256
_MAX_CTI_BYTES = 64
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}\Z")
_COUNTRY = re.compile(r"[A-Z]{2}(?:-[A-Z0-9]{1,3})?\Z")

Raw = dict[object, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a token says, every type and bound checked."""

    expires_at: int
    not_before: int | None
    issued_at: int | None
    issuer: str
    subject: str
    audiences: tuple[str, ...]  # empty: none is named
    token_id: str  # hexadecimal; empty: it has none
    once: bool
    rules: tuple[Rule, ...]
    answers: Answers | None
    raw: Raw


def claims_of(payload: bytes, *, ignored: Collection[int | str] = ()) -> Claims:
    """Read a payload whose signature was checked, or raise ``TokenBadClaims`` or ``TokenUnsupported``.

    RFC 8392 section 3 would pass over claims that are not known; one might be a restriction, so only those that the
    settings name are.
    """
    raw = _claims_set(payload)
    if not raw.keys() <= _KNOWN:
        _refuse_unknown(raw, ignored)
    if raw.get(CATV, 1) != 1 or type(raw.get(CATV, 1)) is not int:
        raise TokenUnsupported("The token is of another version.")
    expires_at = _instant(raw, EXP)
    if expires_at is None:
        raise TokenBadClaims("The token's exp is missing.")
    if CATIFDATA in raw:
        _check_catifdata(raw[CATIFDATA])
    return Claims(
        expires_at=expires_at,
        not_before=_instant(raw, NBF),
        issued_at=_instant(raw, IAT),
        issuer=_text(raw, ISS),
        subject=_text(raw, SUB),
        audiences=_audiences(raw),
        token_id=_token_id(raw),
        once=_once(raw),
        rules=tuple(rule(raw[label]) for label, rule in _RULES.items() if label in raw),
        answers=Answers.of(raw[CATIF]) if CATIF in raw else None,
        raw=raw,
    )


def _claims_set(payload: bytes) -> Raw:
    try:
        raw = read(payload, tags=(TAG_IPV4, TAG_IPV6, MAP_TAG))
    except TokenMalformed as error:
        raise TokenBadClaims("The token's claims cannot be read.") from error
    if type(raw) is not dict:
        raise TokenBadClaims("The token's claims are not a map.")
    return raw


def _refuse_unknown(raw: Raw, ignored: Collection[int | str]) -> None:
    for label in raw.keys() - _KNOWN:
        if label not in ignored:
            name = CLAIMS.get(label, label) if type(label) is int else "of an unknown name"
            raise TokenUnsupported(f"The token has the claim {name}, which this edge cannot check.")


def _instant(raw: Raw, label: int) -> int | None:
    if label not in raw:
        return None
    value = raw[label]
    # RFC 8392 section 2 allows fractions; none are made here, and every signer writes whole seconds.
    if type(value) is not int or not 0 <= value < 2**53:
        raise TokenBadClaims(f"The token's {CLAIMS[label]} is no whole number of seconds.")
    return value


def _text(raw: Raw, label: int) -> str:
    if label not in raw:
        return ""
    value = raw[label]
    if type(value) is not str or not 0 < len(value) <= _MAX_TEXT or not value.isprintable():
        raise TokenBadClaims(f"The token's {CLAIMS[label]} is no short text.")
    return value


def _audiences(raw: Raw) -> tuple[str, ...]:
    if AUD not in raw:
        return ()
    value = raw[AUD]
    names = entries((value,) if type(value) is str else value, claim="aud")
    found = tuple(name for name in names if type(name) is str)
    if not found or len(found) != len(names):
        raise TokenBadClaims("The token's aud names nobody, or something else than texts.")
    return found


def _token_id(raw: Raw) -> str:
    if CTI not in raw:
        return ""
    value = raw[CTI]
    if type(value) is not bytes or not 0 < len(value) <= _MAX_CTI_BYTES:
        raise TokenBadClaims("The token's cti is no short byte string.")
    return value.hex()


def _once(raw: Raw) -> bool:
    value = raw.get(CATREPLAY, 0)
    if type(value) is not int or value not in (0, 1, 2):
        raise TokenUnsupported("The token's catreplay is not one that is known.")
    # 2 leaves the detection of reuse to whoever serves: the strictest there is, any use after the first.
    return value != 0


def _check_catifdata(value: object) -> None:
    """It tells the maker of a later token what has failed, and grants and forbids nothing."""
    names = value if type(value) is tuple else (value,)
    if any(type(name) is not str for name in entries(names, claim="catifdata")):
        raise TokenBadClaims("The token's catifdata is no text and no array of texts.")


def _methods(value: object) -> Rule:
    return Methods(_names(value, claim="catm", form=_METHOD))


def _countries(value: object) -> Rule:
    names = tuple(
        name.upper() if type(name) is str else name
        for name in entries(value, claim="catgeoiso3166")
    )
    return Countries(_names(names, claim="catgeoiso3166", form=_COUNTRY))


def _names(value: object, *, claim: str, form: re.Pattern[str]) -> frozenset[str]:
    names = entries(value, claim=claim)
    found = [name for name in names if type(name) is str and form.match(name)]
    if len(found) != len(names):
        raise TokenBadClaims(f"The token's {claim} has an entry that cannot be one.")
    return frozenset(found)


_RULES: Mapping[int, Callable[[object], Rule]] = {
    CATU: UriParts.of,
    CATM: _methods,
    CATNIP: Clients.of,
    CATH: Fields.of,
    CATALPN: Protocols.of,
    CATGEOISO3166: _countries,
    CATGEOCOORD: Around.of,
    GEOHASH: Cells.of,
}
# Not among them, so that they refuse the token: cnf and catdpop (no proof of possession is asked for here), catpor (a
# share of requests to turn away says nothing about this one), catgeoalt (no database knows altitudes), cattpk and
# cattprint (the edge sees nothing of a client's TLS), and the composition claims enc, crit, or, nor and and, which have
# no registered numbers: of two implementations each has its own.
_KNOWN: frozenset[object] = frozenset(
    {ISS, SUB, AUD, EXP, NBF, IAT, CTI, CATV, CATREPLAY, CATIF, CATIFDATA, CATR, *_RULES}
)
RESTRICTING: frozenset[int] = frozenset(CLAIMS)
