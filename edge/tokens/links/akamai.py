"""Akamai's Auth Token 2.0: fields between '~' and an HMAC over them, for patterns of paths (acl) or one URL.

HMAC-SHA-256 is the default; HMAC-SHA1 and HMAC-MD5, which the scheme also knows, are taken only if the settings say so.
"""

from __future__ import annotations

import hmac
import re
from urllib.parse import quote, quote_plus, unquote

from config.contracts.grants import Rule
from config.runtime.processes import WrongUse
from config.settings.schemes.links import Akamai
from edge.errors import TokenBadSignature, TokenMalformed, TokenUnsupported
from edge.tokens.links.coverage import Covered, by_patterns, one_file
from edge.tokens.links.link import Link
from edge.tokens.links.secrets import plain_secrets
from edge.tokens.links.values import Parameters, is_hex, seconds, single_address
from edge.tokens.links.verifier import Checked, Found, LinkVerifier, Sent
from edge.tokens.rules import Networks
from edge.tokens.verifier import Keys

_DELIMITER = "~"
_ACL_DELIMITER = "!"
_FIELDS = frozenset(("ip", "st", "exp", "acl", "id", "data", "hmac"))
_LENGTHS = {"sha256": 32, "sha1": 20, "md5": 16}
_MARK = f"{_DELIMITER}hmac="
_TOKEN = "token"  # noqa: S105 - a field's name
_ENCODED = re.compile(r"%[0-9A-F]{2}")
_SESSION = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")
_MAX_PATTERNS = 32


class AkamaiLinks:
    """Tokens that stand in the query, a cookie or the path."""

    scheme = "akamai"

    def __init__(self, name: str, settings: Akamai, keys: tuple[bytes, ...]) -> None:
        self._name = name
        self._settings = settings
        self._keys = keys
        salt = settings.salt
        self._salt = "" if salt is None else f"{_DELIMITER}salt={salt.get_secret_value()}"
        self._marks = tuple(f"/{known}=" for known in settings.names)

    def found(self, sent: Sent) -> Found | None:
        """The token of a request: of its path, else of its query, else of a cookie."""
        for mark in self._marks:
            before, begins, behind = sent.path.partition(mark)
            text, slash, rest = behind.partition("/")
            if begins and slash and "hmac=" in text:
                return self._link(text, sent, f"{before}/{rest}", sent.query)
        parameters = Parameters.read(sent.query)
        given = parameters.named(self._settings.names)
        if given:
            query = parameters.without(self._settings.names)
            return self._link(given[0][1] if len(given) == 1 else "", sent, sent.path, query)
        for known in self._settings.names:
            cookie = sent.cookies.get(known)
            if cookie is not None:
                return self._link(cookie, sent, sent.path, sent.query)
        return None

    def _link(self, text: str, sent: Sent, path: str, query: str) -> Found:
        if _MARK not in text:
            # Encoded as a whole on its way; what signers escape themselves stands between plain delimiters.
            text = unquote(text)
        patterns = f"{_DELIMITER}acl=" in f"{_DELIMITER}{text}"
        signed = "" if self._settings.ignore_query else query
        link = Link.of(
            self._name,
            path="" if patterns else path,
            query="" if patterns else signed,
            fields={_TOKEN: text},
        )
        return Found(link, query, path)

    def checked(self, link: Link, *, now: float) -> Checked:
        """What a token says whose HMAC is right."""
        text = link.values(frozenset((_TOKEN,)))[_TOKEN]
        parameters = Parameters.read(text, separator=_DELIMITER)
        pairs = parameters.named(_FIELDS)
        fields = dict(pairs)
        if len(fields) != len(parameters.items) or not {"exp", "hmac"} <= fields.keys():
            raise TokenMalformed
        if parameters.items[-1][0] != "hmac" or not all(
            "=" in item for _, item in parameters.items
        ):
            raise TokenMalformed
        if ("acl" in fields) == bool(link.path) or (link.query and self._settings.ignore_query):
            raise TokenMalformed
        key_id = self._signed_with(link, text[: -len(fields["hmac"]) - len(_MARK)], fields["hmac"])
        conditions: tuple[Rule, ...] = ()
        if "ip" in fields:
            conditions = (Networks((single_address(unquote(fields["ip"])),)),)
        session = unquote(fields.get("id", ""))
        return Checked(
            covered=self._covered(link, fields.get("acl")),
            expires_at=seconds(fields["exp"], "exp"),
            not_before=seconds(fields["st"], "st") if "st" in fields else 0,
            key_id=key_id,
            conditions=conditions,
            session=session if _SESSION.match(session) else "",
        )

    def _signed_with(self, link: Link, signed: str, given: str) -> str:
        if not is_hex(given, count=_LENGTHS[self._settings.algorithm]):
            raise TokenMalformed
        texts = [signed + self._salt]
        if link.path:
            address = f"{link.path}?{link.query}" if link.query else link.path
            mark = f"{_DELIMITER}url="
            texts = [signed + mark + form + self._salt for form in self._forms(address)]
        for number, key in enumerate(self._keys):
            for text in texts:
                digest = hmac.digest(key, text.encode(), self._settings.algorithm).hex()
                if hmac.compare_digest(digest, given):
                    return f"{self._name}-{number}"
        raise TokenBadSignature

    def _forms(self, text: str) -> list[str]:
        """As signers of this scheme write it: Akamai's own libraries escape a few characters differently."""
        if not self._settings.escape_input:
            return [text]
        like_forms = quote_plus(text)
        like_addresses = quote(text, safe="!()").replace("~", "%7E")
        forms = dict.fromkeys((like_forms, like_addresses))
        return [_ENCODED.sub(lambda match: match[0].lower(), form) for form in forms]

    def _covered(self, link: Link, acl: str | None) -> Covered:
        if acl is None:
            signed = None if self._settings.ignore_query else link.query
            return one_file(link.path, self._settings.reach, query=signed)
        patterns = _path_pattern(acl).split(_ACL_DELIMITER)
        if len(patterns) > _MAX_PATTERNS:
            raise TokenUnsupported("The acl has too many patterns.")
        return by_patterns(patterns)


def _path_pattern(acl: str) -> str:
    """The acl without the escaping that keeps its delimiters out of URLs and cookies."""
    return re.sub(r"%(2[AFaf1]|3[Ff]|7[Ee])", lambda match: unquote(match[0]), acl)


def open_akamai(
    name: str, settings: Akamai, *, keys: Keys | None, public_url: str, leeway_seconds: float
) -> LinkVerifier:
    """The verifier of one signer's tokens, or ``WrongUse``."""
    try:
        secrets = tuple(bytes.fromhex(secret) for secret in plain_secrets(name, settings))
    except ValueError as error:
        raise WrongUse(f"tokens.signers.{name}: a key is not hexadecimal") from error
    if not all(secrets):
        raise WrongUse(f"tokens.signers.{name}: a key is empty")
    return LinkVerifier(
        name, AkamaiLinks(name, settings, secrets), settings, leeway_seconds=leeway_seconds
    )
