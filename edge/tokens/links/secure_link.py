"""nginx's ngx_http_secure_link_module: an MD5 over an expression of the operator's, or over the path and a secret.

The scheme has no MAC but a bare MD5 over text that the secret is a part of. Where the secret stands first, whoever has
a link could lengthen what was signed; what MD5 puts in between holds zero bytes, which this edge takes in no path.
The scheme is here because such links exist; new signers should use another one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes, urlsplit

from config.contracts.grants import Asked, Rule
from config.runtime.processes import WrongUse
from config.settings.schemes.links import SecureLink
from edge.errors import HeaderNotCovered, TokenBadSignature, TokenMalformed
from edge.tokens.links.coverage import canonical, one_file
from edge.tokens.links.link import Link
from edge.tokens.links.secrets import plain_secrets
from edge.tokens.links.values import Parameters, is_hex, ordered, seconds, single_address
from edge.tokens.links.verifier import Checked, Found, LinkVerifier, Sent
from edge.tokens.rules import Networks
from edge.tokens.strict import base64url
from edge.tokens.verifier import Keys

_VARIABLE = re.compile(r"\$(?:\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")
_KNOWN = frozenset(
    ("secret", "uri", "secure_link_expires", "remote_addr", "host", "http_user_agent")
)
_HASH = "hash"
_EXPIRES = "expires"
_AGENT = "http_user_agent"
_ADDRESS = "remote_addr"
_ARGUMENT = "arg_"


@dataclass(frozen=True, slots=True)
class UserAgent:
    """The client calls itself this."""

    text: str
    reason = HeaderNotCovered.code

    def allows(self, asked: Asked) -> bool:
        """Whether the field says exactly this."""
        sent = next(
            (value for name, value in asked.headers.items() if name.lower() == "user-agent"), ""
        )
        return sent == self.text

    def to_json(self) -> object:
        """The text."""
        return {"user_agent": self.text}


@dataclass(frozen=True, slots=True)
class Expression:
    """The value of ``secure_link_md5``: text, and variables by their names in between."""

    parts: tuple[tuple[bool, str], ...]  # whether it is a variable, and its name or the text

    @classmethod
    def read(cls, text: str) -> Expression:
        """Take an expression apart; ``ValueError`` for a variable that this edge does not have."""
        parts: list[tuple[bool, str]] = []
        end = 0
        for match in _VARIABLE.finditer(text):
            if match.start() > end:
                parts.append((False, text[end : match.start()]))
            name = match[1] or match[2]
            if name not in _KNOWN and not name.startswith(_ARGUMENT):
                raise ValueError(f"${name} is not a variable that an expression may hold")
            parts.append((True, name))
            end = match.end()
        if end < len(text):
            parts.append((False, text[end:]))
        if any("$" in part for is_variable, part in parts if not is_variable):
            raise ValueError("a '$' is not followed by a name")
        return cls(tuple(parts))

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of its variables in their order."""
        return tuple(part for is_variable, part in self.parts if is_variable)

    def neighbours(self) -> set[tuple[str, str]]:
        """Variables that stand side by side without a text between them."""
        pairs = zip(self.parts, self.parts[1:], strict=False)
        return {(left[1], right[1]) for left, right in pairs if left[0] and right[0]}

    def value(self, values: dict[str, bytes]) -> bytes:
        """The bytes that the hash is taken of; nginx has nothing in place of what is not there."""
        return b"".join(
            values.get(part, b"") if is_variable else part.encode()
            for is_variable, part in self.parts
        )


class QueryLinks:
    """Links with hash and end in the query."""

    scheme = "secure-link"

    def __init__(
        self,
        name: str,
        settings: SecureLink,
        expression: Expression,
        secrets: tuple[str, ...],
        host: str,
    ) -> None:
        self._name = name
        self._settings = settings
        self._expression = expression
        self._secrets = secrets
        self._host = host.encode()
        self._bound = frozenset(expression.variables) & {_AGENT, _ADDRESS}
        ends = settings.expires_parameter
        self._arguments = frozenset(
            variable
            for variable in expression.variables
            if variable.startswith(_ARGUMENT) and variable != f"{_ARGUMENT}{ends}"
        )
        self._own = {settings.hash_parameter: _HASH} | ({ends: _EXPIRES} if ends else {})
        required = {_HASH, *self._bound, *self._arguments}
        self._required = frozenset(required | ({_EXPIRES} if ends else set()))

    def found(self, sent: Sent) -> Found | None:
        """The link of a request that has a hash in its query."""
        parameters = Parameters.read(sent.query)
        own = [(self._own[name], value) for name, value in parameters.named(self._own)]
        if _HASH not in dict(own):
            return None
        try:
            # $uri is decoded, so that several spellings have one signature: the link keeps the edge's own.
            path = canonical(sent.path)
        except TokenMalformed:
            return None
        fields = [(name, _unpadded(value) if name == _HASH else value) for name, value in own]
        given = {_ADDRESS: sent.address, _AGENT: sent.user_agent}
        fields += [(name, given[name]) for name in self._bound]
        for variable in self._arguments:
            values = parameters.named((variable[len(_ARGUMENT) :],))
            fields.append((variable, values[0][1] if values else ""))
        link = Link(self._name, path, "", ordered(fields))
        return Found(link, parameters.without(self._own), sent.path)

    def checked(self, link: Link, *, now: float) -> Checked:
        """What a link says whose hash is right."""
        fields = link.values(self._required)
        if link.query or link.path != canonical(link.path):
            raise TokenMalformed
        given = fields[_HASH]
        if len(given) != 22:  # of 16 bytes
            raise TokenMalformed
        key_id = self._key(base64url(given), self._values(link.path, fields))
        covered = one_file(link.path, self._settings.reach)
        conditions: list[Rule] = []
        if _ADDRESS in fields:
            conditions.append(Networks((single_address(fields[_ADDRESS]),)))
        if _AGENT in fields:
            conditions.append(UserAgent(fields[_AGENT]))
        return Checked(
            covered=covered,
            expires_at=_end(fields.get(_EXPIRES), self._settings, now),
            key_id=key_id,
            conditions=tuple(conditions),
        )

    def _values(self, path: str, fields: dict[str, str]) -> dict[str, bytes]:
        values = {name: value.encode() for name, value in fields.items()}
        expires = values.get(_EXPIRES, b"")
        values |= {
            "uri": unquote_to_bytes(path),
            "host": self._host,
            "secure_link_expires": expires,
        }
        if self._settings.expires_parameter:
            values[f"{_ARGUMENT}{self._settings.expires_parameter}"] = expires
        return values

    def _key(self, given: bytes, values: dict[str, bytes]) -> str:
        for number, secret in enumerate(self._secrets):
            text = self._expression.value(values | {"secret": secret.encode()})
            # The scheme's own: nginx's documentation of secure_link_md5.
            if hmac.compare_digest(hashlib.md5(text, usedforsecurity=False).digest(), given):
                return f"{self._name}-{number}"
        raise TokenBadSignature


class PathLinks:
    """The old form ``/{origin}/{hash}/{path}``: an MD5 over the rest of the path, and then the secret."""

    scheme = "secure-link"

    def __init__(self, name: str, settings: SecureLink, secrets: tuple[str, ...]) -> None:
        self._name = name
        self._settings = settings
        self._secrets = secrets

    def found(self, sent: Sent) -> Found | None:
        """The link of a request whose second segment is a hash."""
        origin, _, behind = sent.path[1:].partition("/")
        given, slash, rest = behind.partition("/")
        given = given.lower()
        if not slash or not is_hex(given, count=16):
            return None
        path = f"/{origin}/{rest}"
        return Found(
            Link.of(self._name, path=path, query=sent.query, fields={_HASH: given}),
            sent.query,
            path,
        )

    def checked(self, link: Link, *, now: float) -> Checked:
        """What a link says whose hash is right."""
        given = link.values(frozenset((_HASH,)))[_HASH]
        if not is_hex(given, count=16):
            raise TokenMalformed
        covered = one_file(link.path, self._settings.reach, query=link.query)
        rest = link.path[1:].partition("/")[2]
        # nginx takes the hash of the address as it was sent, the query included.
        signed = f"{rest}?{link.query}" if link.query else rest
        if not rest:
            raise TokenMalformed
        for number, secret in enumerate(self._secrets):
            # The scheme's own: nginx's documentation of secure_link_secret.
            digest = hashlib.md5((signed + secret).encode(), usedforsecurity=False).hexdigest()
            if hmac.compare_digest(digest, given):
                return Checked(
                    covered=covered,
                    expires_at=_end(None, self._settings, now),
                    key_id=f"{self._name}-{number}",
                )
        raise TokenBadSignature


def open_secure_link(
    name: str, settings: SecureLink, *, keys: Keys | None, public_url: str, leeway_seconds: float
) -> LinkVerifier:
    """The verifier of one signer's links, or ``WrongUse``."""
    where = f"tokens.signers.{name}"
    secrets = plain_secrets(name, settings)
    endless = settings.form == "path" or not settings.expires_parameter
    if endless != (settings.lifetime is not None):
        raise WrongUse(f"{where}: lifetime is needed by links that never end, and by no others")
    if settings.form == "path":
        if not settings.origins:
            raise WrongUse(f"{where}: the hash is not over the origin, so origins must be named")
        scheme: QueryLinks | PathLinks = PathLinks(name, settings, secrets)
    else:
        expression = _expression(where, settings)
        host = urlsplit(public_url).hostname or ""
        scheme = QueryLinks(name, settings, expression, secrets, host)
    return LinkVerifier(name, scheme, settings, leeway_seconds=leeway_seconds)


def _expression(where: str, settings: SecureLink) -> Expression:
    try:
        expression = Expression.read(settings.expression)
    except ValueError as error:
        raise WrongUse(f"{where}.expression: {error}") from error
    ends = settings.expires_parameter
    variables = set(expression.variables)
    if not {"secret", "uri"} <= variables:
        raise WrongUse(f"{where}.expression: it must hold $uri and $secret")
    if ends and not variables & {"secure_link_expires", f"{_ARGUMENT}{ends}"}:
        raise WrongUse(
            f"{where}.expression: without $secure_link_expires anyone can change the end"
        )
    if not ends and "secure_link_expires" in variables:
        raise WrongUse(f"{where}.expression: $secure_link_expires needs an expires_parameter")
    if f"{_ARGUMENT}{settings.hash_parameter}" in variables or ends == settings.hash_parameter:
        raise WrongUse(f"{where}: the hash cannot be a part of what it is taken of")
    for pair in expression.neighbours():
        chosen = [
            part
            for part in pair
            if part == _AGENT or (part.startswith(_ARGUMENT) and part != f"{_ARGUMENT}{ends}")
        ]
        if chosen:
            # Else a viewer could move characters of the path into what the viewer may choose, or back.
            raise WrongUse(
                f"{where}.expression: ${pair[0]} and ${pair[1]} need a text between them: viewers choose ${chosen[0]}"
            )
    return expression


def _end(expires: str | None, settings: SecureLink, now: float) -> int:
    if expires is not None:
        return seconds(expires, "The link's end")
    if settings.lifetime is None:
        raise TokenMalformed
    return int(now + settings.lifetime.total_seconds())


def _unpadded(text: str) -> str:
    """nginx takes a hash with or without its padding."""
    return text[:-2] if len(text) == 24 and text.endswith("==") else text
