"""The query of a request: what is the edge's own, what is the player's, and what goes on to the origin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import unquote_plus

from edge.errors import BadDirective

TOKEN = "token"  # noqa: S105 - a parameter's name
# Of other schemes: RFC 9246 section 2; CTA-5007, which its users also call CAT.
_TOKENS = (TOKEN, "URISigningPackage", "CTA-Common-Access-Token", "CAT")
FILTER = "f"
PATCH = "_kawa_patch"
CMCD = "CMCD"
_DIRECTIVES = ("_HLS_msn", "_HLS_part", "_HLS_skip")
MAX_PARAMETERS = 64
_MAX_DIGITS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One request's query, taken apart; ``rest`` keeps its bytes and their order."""

    rest: str = ""
    token: str | None = None
    filters: tuple[tuple[str, str], ...] = ()
    patch: str | None = None
    cmcd: str | None = (
        None  # what the player says of itself, as it was sent; never the origin's business
    )
    msn: int | None = None
    part: int | None = None
    skip: str | None = None

    @property
    def directives(self) -> str:
        """What the origin is asked to wait for (draft-pantos-hls-rfc8216bis section 6.2.5.2)."""
        found = [] if self.msn is None else [f"_HLS_msn={self.msn}"]
        if self.part is not None:
            found.append(f"_HLS_part={self.part}")
        return "&".join(found)

    @property
    def values(self) -> dict[str, str]:
        """The parameters that go on to the origin, decoded; the first of a name counts."""
        found: dict[str, str] = {}
        for item in self.rest.split("&") if self.rest else ():
            name, _, value = item.partition("=")
            found.setdefault(unquote_plus(name), unquote_plus(value))
        return found


def parse_query(raw: str, *, foreign: bool = False) -> Query:
    """Take a query apart; ``BadDirective`` for a blocking-reload directive that makes no sense.

    ``foreign``: of a server that never heard of this edge; a token or filter in it is that server's.
    """
    rest: list[str] = []
    filters: list[tuple[str, str]] = []
    own: dict[str, str] = {}
    for item in raw.split("&")[:MAX_PARAMETERS] if raw else ():
        name, _, value = item.partition("=")
        if not foreign and (name == FILTER or name.startswith(FILTER + ".")):
            filters.append((name, unquote_plus(value)))
        elif name == CMCD:
            own.setdefault(name, value)
        elif name in _TOKENS and not foreign:
            own.setdefault(TOKEN, unquote_plus(value))
        elif name == PATCH or name in _DIRECTIVES:
            own.setdefault(name, unquote_plus(value))
        elif not name.startswith("_HLS_"):  # reserved by the specification, and not for origins
            rest.append(item)
    msn, part = _number(own, "_HLS_msn"), _number(own, "_HLS_part")
    if part is not None and msn is None:
        raise BadDirective("_HLS_part needs _HLS_msn.")
    skip = own.get("_HLS_skip")
    if skip not in (None, "YES", "v2"):
        raise BadDirective("_HLS_skip is YES or v2.")
    return Query(
        rest="&".join(rest),
        token=own.get(TOKEN),
        filters=tuple(filters),
        patch=own.get(PATCH),
        cmcd=own.get(CMCD),
        msn=msn,
        part=part,
        skip=skip,
    )


def without_tokens(raw: str) -> str:
    """A query without its tokens; all else as it was sent."""
    return "&".join(item for item in raw.split("&") if item.partition("=")[0] not in _TOKENS)


def parse_carried_query(raw: str, *, with_token: bool) -> Query:
    """The query of a carried URL; ``with_token``: this edge's token may stand behind what was there before."""
    items = raw.split("&")
    last = max((n for n, item in enumerate(items) if item.partition("=")[0] == TOKEN), default=None)
    if not with_token or last is None:
        return parse_query(raw, foreign=True)
    token = unquote_plus(items.pop(last).partition("=")[2])
    return replace(parse_query("&".join(items), foreign=True), token=token)


def _number(own: dict[str, str], name: str) -> int | None:
    value = own.get(name)
    if value is None:
        return None
    if not value.isascii() or not value.isdigit() or len(value) > _MAX_DIGITS:
        raise BadDirective(f"{name} is a whole number.")
    return int(value)
