"""catr: how the viewer gets the next token, and what that one says."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Final, Literal

from config.contracts.grants import Renewal
from edge.errors import TokenBadClaims, TokenExpired, TokenUnsupported
from edge.tokens.cat.names import COOKIE, CTI, EXP, HEADER, IAT, NBF, OWN_FIELDS

_TYPE: Final = 0
_SECONDS: Final = 1
_DEADLINE: Final = 2
_COOKIE_NAME: Final = 3
_FIELD_NAME: Final = 4
_COOKIE_PARAMETERS: Final = 5
_FIELD_PARAMETERS: Final = 6
_STATUS: Final = 7

Carrier = Literal["as-it-came", "cookie", "header", "redirect"]
_CARRIERS: dict[int, Carrier] = {0: "as-it-came", 1: "cookie", 2: "header", 3: "redirect"}

# How long before its end a token is renewed whose catr does not say; the published implementations agree on a minute.
DEFAULT_DEADLINE = 60
_MAX_PARAMETERS = 8
_CTI_BYTES = 16
# A permanent redirect (301, 308) to a token would be kept by the player for good.
_REDIRECTS = frozenset({302, 303, 307})
_DEFAULT_REDIRECT = 307
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}\Z")
_PARAMETER = re.compile(r"[A-Za-z][A-Za-z-]{0,31}(?:=[!-:<-~]{0,128})?\Z")


def renewal_of(value: object, *, longest: int, until: int) -> Renewal:
    """Read the claim; a next token holds for ``longest`` seconds at most, and none beyond ``until``."""
    if type(value) is not dict:
        raise TokenBadClaims("The token's catr is not a map.")
    if value.keys() - set(range(8)):
        raise TokenUnsupported("The token's catr says something that is not known.")
    kind = value.get(_TYPE)
    carrier = _CARRIERS.get(kind) if type(kind) is int else None
    if carrier is None:
        raise TokenUnsupported("The token's catr asks for a kind of renewal that is not known.")
    seconds = min(_seconds(value.get(_SECONDS)), longest)
    if seconds == 0:
        raise TokenBadClaims("The token's catr adds no time.")
    deadline = _seconds(value.get(_DEADLINE, DEFAULT_DEADLINE))
    name = ""
    attributes: tuple[str, ...] = ()
    cookie_name, field_name = _name(value, _COOKIE_NAME, COOKIE), _name(value, _FIELD_NAME, HEADER)
    cookie, field = _parameters(value, _COOKIE_PARAMETERS), _parameters(value, _FIELD_PARAMETERS)
    if carrier == "cookie":
        name, attributes = cookie_name, cookie
    elif carrier == "header":
        if field_name.lower() in OWN_FIELDS:
            raise TokenBadClaims("The token's catr has a header field that it must not set.")
        name, attributes = field_name, field
    return Renewal(
        carrier=carrier,
        seconds=seconds,
        # A token that is due as soon as it is made would be followed by another with every request.
        within=min(deadline, seconds // 2),
        until=until,
        name=name,
        attributes=attributes,
        status=_redirect(value.get(_STATUS, _DEFAULT_REDIRECT)),
    )


def next_claims(
    claims: Mapping[object, object], renewal: Renewal, *, now: int
) -> dict[object, object]:
    """What the next token says: the same for the time that follows, or ``TokenExpired`` when there is none.

    The time of issue stays, as it is from there that the session's longest time is counted.
    """
    ends = now + renewal.seconds
    if renewal.until is not None:
        ends = min(ends, renewal.until)
    if ends <= now:
        raise TokenExpired
    following = dict(claims) | {EXP: ends}
    following.setdefault(IAT, now)
    following.pop(NBF, None)
    if CTI in following:
        following[CTI] = secrets.token_bytes(_CTI_BYTES)
    return following


def _seconds(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**31:
        raise TokenBadClaims("The token's catr has a time that is no whole number of seconds.")
    return value


def _name(value: Mapping[object, object], label: int, default: str) -> str:
    name = value.get(label, default)
    if type(name) is not str or not _NAME.match(name):
        raise TokenBadClaims("The token's catr has a name that cannot be one.")
    return name


def _parameters(value: Mapping[object, object], label: int) -> tuple[str, ...]:
    found = value.get(label, ())
    items = found if type(found) is tuple else (found,)
    if len(items) > _MAX_PARAMETERS:
        raise TokenBadClaims("The token's catr has too many parameters.")
    parameters: list[str] = []
    for item in items:
        if type(item) is not str or not _PARAMETER.match(item):
            raise TokenBadClaims("The token's catr has a parameter that cannot be one.")
        parameters.append(item)
    return tuple(parameters)


def _redirect(status: object) -> int:
    if type(status) is not int or not 300 <= status <= 399:
        raise TokenBadClaims("The token's catr has a status that is no redirect.")
    return status if status in _REDIRECTS else _DEFAULT_REDIRECT
