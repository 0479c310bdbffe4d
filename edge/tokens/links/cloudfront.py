"""CloudFront's signed URLs and signed cookies: an RSA or ECDSA signature over a policy, canned or the signer's own.

SHA-1 is the default of the scheme, SHA-256 what ``Hash-Algorithm=SHA256`` says; the operator may leave SHA-1 out.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from config.contracts.grants import Rule
from config.settings.schemes.links import CloudFront
from edge.errors import (
    PathNotCovered,
    TokenBadClaims,
    TokenBadSignature,
    TokenMalformed,
    TokenUnknownKey,
    TokenUnsupported,
)
from edge.tokens.links.coverage import (
    Covered,
    glob,
    host_glob,
    one_file,
    prefix_of,
    respelt,
)
from edge.tokens.links.link import Link
from edge.tokens.links.secrets import PublicKey, public_key
from edge.tokens.links.values import Parameters, ordered, seconds
from edge.tokens.links.verifier import Checked, Found, LinkVerifier, Sent
from edge.tokens.rules import Networks, UriPattern, compiled, network
from edge.tokens.strict import json_object
from edge.tokens.verifier import Keys

_POLICY, _EXPIRES, _SIGNATURE, _KEY, _HASH = NAMES = (
    "Policy",
    "Expires",
    "Signature",
    "Key-Pair-Id",
    "Hash-Algorithm",
)
_COOKIE = "CloudFront-"
# Compared with the bytes that were signed; CloudFront knows no other spelling.
_CANNED = '{"Statement":[{"Resource":"%s","Condition":{"DateLessThan":{"AWS:EpochTime":%s}}}]}'
# The scheme's own choice of hashes; a signature that says none has SHA-1.
_HASHES: dict[str, tuple[str, HashAlgorithm]] = {
    "SHA1": ("sha1", SHA1()),  # noqa: S303
    "SHA256": ("sha256", SHA256()),
}
_DEFAULT_HASH = "SHA1"
_ALPHABET = str.maketrans("-_~", "+=/")
_OWN_ALPHABET = str.maketrans("+=/", "-_~")
_SCHEMES = {
    "http://": "http://",
    "https://": "https://",
    "http*://": "https?://",
    "*://": "https?://",
}
_MAX_TIME = 10**12
_MAX_WILDCARDS = 32


class CloudFrontLinks:
    """Signed URLs and cookies."""

    scheme = "cloudfront"

    def __init__(
        self, name: str, settings: CloudFront, keys: Mapping[str, PublicKey], public_url: str
    ) -> None:
        self._name = name
        self._settings = settings
        self._keys = keys
        self._url = public_url
        url = urlsplit(public_url)
        self._base = f"{url.scheme}://{url.netloc}".lower()
        self._below = url.path

    def found(self, sent: Sent) -> Found | None:
        """The link of a request: of its query, else of its cookies."""
        parameters = Parameters.read(sent.query)
        own = parameters.named(NAMES)
        names = {name for name, _ in own}
        query = sent.query
        if {_SIGNATURE, _KEY} <= names:
            query = parameters.without(NAMES)
        else:
            cookies = ((name, sent.cookies.get(_COOKIE + name)) for name in NAMES)
            own = [(name, value) for name, value in cookies if value is not None]
            names = {name for name, _ in own}
            if not {_SIGNATURE, _KEY} <= names:
                return None
        if own.count((_HASH, _DEFAULT_HASH)) == 1:
            # Named or not, it is the same link.
            own.remove((_HASH, _DEFAULT_HASH))
        fields = ordered(own)
        fields = tuple((name, self._one_form(fields, name, value)) for name, value in fields)
        # The signer's own policy names what it is for; only the canned one is over this very address.
        canned = _POLICY not in names
        path, signed = (sent.path, query) if canned else ("", "")
        return Found(Link(self._name, path, signed, fields), query, sent.path)

    def checked(self, link: Link, *, now: float) -> Checked:
        """What a link says whose signature holds."""
        fields = dict(link.fields)
        canned = _EXPIRES in fields
        kind = _EXPIRES if canned else _POLICY
        fields = link.values(frozenset((kind, _SIGNATURE, _KEY)), frozenset((_HASH,)))
        if fields.get(_HASH) == _DEFAULT_HASH or (link.query and not link.path):
            raise TokenMalformed
        if not canned:
            if link.path:
                raise TokenMalformed
            policy = _own_base64(fields[_POLICY])
            self._check_signature(fields, policy)
            return self._by_policy(json_object(policy), fields[_KEY])
        if not link.path or '"' in link.query or "\\" in link.query:
            raise TokenMalformed
        covered = one_file(link.path, self._settings.reach, query=link.query)
        ends = seconds(fields[_EXPIRES], _EXPIRES)
        address = self._url + link.path + (f"?{link.query}" if link.query else "")
        self._check_signature(fields, (_CANNED % (address, ends)).encode())
        return Checked(covered=covered, expires_at=ends, key_id=fields[_KEY])

    def _check_signature(self, fields: dict[str, str], policy: bytes) -> None:
        key = self._keys.get(fields[_KEY])
        if key is None:
            raise TokenUnknownKey
        hash_name, hash_algorithm = _HASHES.get(fields.get(_HASH, _DEFAULT_HASH), ("", SHA256()))
        if hash_name not in self._settings.hashes:
            raise TokenUnsupported("The link has a hash that is not accepted.")
        signature = _own_base64(fields[_SIGNATURE])
        try:
            if isinstance(key, rsa.RSAPublicKey):
                key.verify(signature, policy, padding.PKCS1v15(), hash_algorithm)
            elif _low(signature) != signature:
                raise TokenMalformed
            else:
                key.verify(signature, policy, ec.ECDSA(hash_algorithm))
        except InvalidSignature as error:
            raise TokenBadSignature from error

    def _one_form(self, fields: tuple[tuple[str, str], ...], name: str, value: str) -> str:
        """The value; of the two ECDSA signatures that are equally good always the same."""
        key = self._keys.get(dict(fields).get(_KEY, ""))
        if name != _SIGNATURE or not isinstance(key, ec.EllipticCurvePublicKey):
            return value
        try:
            return base64.b64encode(_low(_own_base64(value))).decode().translate(_OWN_ALPHABET)
        except TokenMalformed:
            return value

    def _by_policy(self, policy: dict[str, Any], key_id: str) -> Checked:
        statements = _only(policy, frozenset(("Statement",)))["Statement"]
        if not isinstance(statements, list) or len(statements) != 1:
            raise TokenBadClaims("The policy does not have one statement.")
        statement = _only(statements[0], frozenset(("Resource", "Condition")))
        conditions = _only(
            statement["Condition"],
            frozenset(("DateLessThan",)),
            frozenset(("DateGreaterThan", "IpAddress")),
        )
        begins = 0
        if "DateGreaterThan" in conditions:
            # "Not allowed on or before".
            begins = _time(conditions["DateGreaterThan"], "DateGreaterThan") + 1
        rules: list[Rule] = []
        if "IpAddress" in conditions:
            source = _only(conditions["IpAddress"], frozenset(("AWS:SourceIp",)))["AWS:SourceIp"]
            if not isinstance(source, str) or "%" in source:
                raise TokenBadClaims("IpAddress is none.")
            rules.append(Networks((network(source),)))
        return Checked(
            covered=self._by_resource(statement["Resource"]),
            expires_at=_time(conditions["DateLessThan"], "DateLessThan"),
            not_before=begins,
            key_id=key_id,
            conditions=tuple(rules),
        )

    def _by_resource(self, resource: object) -> Covered:
        if not isinstance(resource, str) or not resource.isascii() or not resource.isprintable():
            raise TokenBadClaims("Resource is not a URL.")
        if resource == "*":
            return Covered()
        scheme = next((mark for mark in _SCHEMES if resource.startswith(mark)), None)
        if scheme is None:
            raise TokenUnsupported("Resource does not begin with http://, https:// or '*'.")
        host, slash, path = resource[len(scheme) :].partition("/")
        host, path = host.lower(), respelt(slash + path)
        if host == "*" and not slash:
            path = "/*"
        if resource.count("*") + resource.count("?") > _MAX_WILDCARDS or not path:
            raise TokenUnsupported("Resource has no path, or too many wildcards.")
        if not self._is_here(scheme, host):
            raise PathNotCovered
        prefix = prefix_of(path)
        if prefix is not None and not self._below:
            return Covered((prefix,))
        return Covered(rules=(UriPattern(f"{_SCHEMES[scheme]}(?i:{host_glob(host)}){glob(path)}"),))

    def _is_here(self, scheme: str, host: str) -> bool:
        if "*" in host or "?" in host or "*" in scheme:
            return compiled(_SCHEMES[scheme] + host_glob(host)).fullmatch(self._base) is not None
        return scheme + host == self._base


def _only(
    value: object, required: frozenset[str], optional: frozenset[str] = frozenset()
) -> dict[str, Any]:
    if not isinstance(value, dict) or not required <= value.keys():
        raise TokenBadClaims("The policy lacks a part.")
    if not value.keys() <= required | optional:
        raise TokenUnsupported("The policy holds more than CloudFront's own parts.")
    return value


def _time(value: object, name: str) -> int:
    number = _only(value, frozenset(("AWS:EpochTime",)))["AWS:EpochTime"]
    if type(number) is not int or not 0 < number < _MAX_TIME:
        raise TokenBadClaims(f"{name} is not a whole number of seconds.")
    return number


def _own_base64(text: str) -> bytes:
    """RFC 4648 section 4 with the characters that CloudFront puts in place of '+', '=' and '/'; canonical."""
    try:
        decoded = base64.b64decode(text.translate(_ALPHABET), validate=True)
    except (binascii.Error, ValueError) as error:
        raise TokenMalformed from error
    if base64.b64encode(decoded).decode().translate(_OWN_ALPHABET) != text:
        raise TokenMalformed
    return decoded


_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _low(signature: bytes) -> bytes:
    """The signature with the smaller of its two values of s (SEC 1 section 4.1: both verify)."""
    try:
        r, s = decode_dss_signature(signature)
        return encode_dss_signature(r, min(s, _P256_ORDER - s) if 0 < s < _P256_ORDER else s)
    except ValueError as error:
        raise TokenMalformed from error


def open_cloudfront(
    name: str, settings: CloudFront, *, keys: Keys | None, public_url: str, leeway_seconds: float
) -> LinkVerifier:
    """The verifier of one signer's links, or ``WrongUse``."""
    public = {key_id: public_key(name, path) for key_id, path in settings.public_keys.items()}
    scheme = CloudFrontLinks(name, settings, public, public_url)
    return LinkVerifier(name, scheme, settings, leeway_seconds=leeway_seconds)
