"""catu: conditions on the parts of the request's URI."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from config.contracts.grants import Asked
from edge.errors import PathNotCovered, TokenBadClaims, TokenUnsupported
from edge.tokens.cat.matches import EXACT, Match, Matches, Test
from edge.tokens.cat.names import CATU

_SCHEME: Final = 0
_HOST: Final = 1
_PORT: Final = 2
_PATH: Final = 3
_QUERY: Final = 4
_PARENT: Final = 5
_FILENAME: Final = 6
_STEM: Final = 7
_EXTENSION: Final = 8

_PARTS = {
    _SCHEME: "scheme",
    _HOST: "host",
    _PORT: "port",
    _PATH: "path",
    _QUERY: "query",
    _PARENT: "parent-path",
    _FILENAME: "filename",
    _STEM: "stem",
    _EXTENSION: "extension",
}
_DEFAULT_PORTS = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class Uri:
    """A URI, normalised as RFC 3986 section 6.2 says: lower-case scheme and host, no port that is the scheme's own."""

    scheme: str
    host: str
    port: str
    path: str
    query: str

    @classmethod
    def parse(cls, text: str) -> Uri:
        """Read an absolute URI that has an authority and neither user nor fragment, as the edge makes them."""
        scheme, _, rest = text.partition("://")
        rest, _, query = rest.partition("?")
        authority, slash, path = rest.partition("/")
        host, colon, port = authority.rpartition(":")
        if not colon or port.endswith("]"):  # an IPv6 address without a port
            host, port = authority, ""
        scheme = scheme.lower()
        if port == _DEFAULT_PORTS.get(scheme):
            port = ""
        return cls(scheme, host.lower(), port, slash + path if slash else "/", query)

    def readings(self, part: int) -> tuple[str, ...]:
        """What a part is; of several readings, each of which signers write, one must satisfy the conditions."""
        parent, _, filename = self.path.rpartition("/")
        match part:
            case 0:
                return (self.scheme,)
            case 1:
                return (self.host,)
            case 2:
                return (self.port,) if self.port else ("", _DEFAULT_PORTS.get(self.scheme, ""))
            case 3:
                return (self.path,)
            case 4:
                return (self.query,)
            case 5:
                return (parent,)
            case 6:
                return (filename,)
            case 7:
                # The name's first dot ends its stem for some signers, its last one for others.
                last, dot, _ = filename.rpartition(".")
                return (filename.partition(".")[0], last if dot else filename)
            case _:
                _, first_dot, after_first = filename.partition(".")
                _, last_dot, after_last = filename.rpartition(".")
                return (first_dot + after_first, last_dot + after_last if last_dot else "")


@dataclass(frozen=True, slots=True)
class UriParts:
    """The parts of the URI that satisfy conditions."""

    parts: tuple[tuple[int, Matches], ...]
    reason = PathNotCovered.code
    claim = CATU

    @classmethod
    def of(cls, value: object) -> UriParts:
        """Read the claim, or raise ``TokenBadClaims``, ``TokenUnsupported`` for a part that is not known."""
        if type(value) is not dict or not value:
            raise TokenBadClaims("The token's catu has no parts.")
        if any(type(part) is not int or part not in _PARTS for part in value):
            raise TokenUnsupported("The token's catu names a part of URIs that is not known.")
        found = {part: Matches.of(matches, claim="catu") for part, matches in value.items()}
        if _QUERY in found:
            found[_QUERY] = Matches(tuple(map(_query_match, found[_QUERY].conditions)))
        return cls(tuple(found.items()))

    def allows(self, asked: Asked) -> bool:
        """Whether every part that is named satisfies its conditions."""
        uri = Uri.parse(asked.uri)
        return all(
            any(matches.hold(reading) for reading in uri.readings(part))
            for part, matches in self.parts
        )

    def to_json(self) -> object:
        """The parts and their conditions."""
        return {"catu": {_PARTS[part]: matches.to_json() for part, matches in self.parts}}


def _query_match(match: Match) -> Match:
    """Whole queries are equal if their parameters are: a player may put them in another order."""
    if match.kind != EXACT:
        return match
    wanted = _by_name(match.wanted.removeprefix("?"))
    test: Test = lambda text: _by_name(text) == wanted  # noqa: E731
    return Match(EXACT, match.wanted, test)


def _by_name(query: str) -> list[str]:
    # Stable, so that those of one name stay in their order, which may mean something.
    return sorted(query.split("&"), key=lambda parameter: parameter.partition("=")[0])
