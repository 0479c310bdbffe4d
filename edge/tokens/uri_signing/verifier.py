"""Verifies tokens of RFC 9246, and makes those that follow them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from config.contracts.grants import Grant, Rule
from config.runtime.jwk import Key
from config.runtime.keys import KeySet
from config.runtime.processes import WrongUse
from config.settings.schemes.uri_signing import UriSigning
from edge.errors import (
    NotAllowed,
    TokenBadClaims,
    TokenBadSignature,
    TokenExpired,
    TokenNotYetValid,
    TokenUnknownKey,
    TokenUnsupported,
)
from edge.tokens.rules import Network, Networks, network
from edge.tokens.strict import json_object
from edge.tokens.uri_signing.claims import UriClaims, bad, read_claims
from edge.tokens.uri_signing.container import read_container
from edge.tokens.uri_signing.jwe import opened
from edge.tokens.uri_signing.jws import (
    Signed,
    is_compact,
    read_header,
    read_signed,
    verify_signature,
)
from edge.tokens.uri_signing.normal import NotAUri, normal_uri
from edge.tokens.uri_signing.renewal import following, renewal_of
from edge.tokens.verifier import Keys

SCHEME = "uri-signing"
_SESSION_BYTES = 16
_MOST_SUBJECT_CHARS = 256
# Section 2.1.10: CIDR; the RFC's own example puts IPv6 in brackets.
_PREFIX = re.compile(r"[0-9.]{7,15}(?:/[0-9]{1,2})?\Z|[0-9A-Fa-f:.]{2,45}(?:/[0-9]{1,3})?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """A token whose signature is good."""

    claims: UriClaims
    key: Key
    session: str


class UriSigningVerifier:
    """One signer's tokens."""

    scheme = SCHEME
    # RFC 9246 sections 2.1.4 and 2.1.5: whoever checks exp and nbf must not allow any.
    leeway_seconds = 0.0

    def __init__(self, settings: UriSigning, *, keys: Keys, leeway_seconds: float) -> None:
        self._settings = settings
        self._keys = keys
        self._leeway = leeway_seconds  # for iat alone
        self._issuers = frozenset(settings.issuers) | settings.issuer_keys.keys()
        self._audiences = frozenset(settings.audiences)
        self._max_lifetime = settings.max_lifetime.total_seconds()

    def may_be(self, token: str) -> bool:
        """Whether ``token`` has the form, and a key that this signer has; nothing is verified."""
        if not is_compact(token, detached=bool(self._settings.jwt_header)):
            return False
        try:
            signed = read_signed(token, detached_header=self._settings.jwt_header)
            if signed.header.key_id:
                return self._keys.current().to_verify(signed.header.key_id) is not None
            return bool(self._candidates(signed))
        except NotAllowed:
            return False

    def verify(self, token: str, *, now: float) -> Grant:
        """The grant of a token that RFC 9246 section 2 accepts, but for exp and nbf, or a ``NotAllowed``."""
        checked = self._checked(token, now)
        claims, keys = checked.claims, self._keys.current()
        rules: list[Rule] = [read_container(claims.container)]
        if claims.encrypted_address:
            text = opened(claims.encrypted_address, keys, claim="cdniip")
            rules.append(Networks((_network(text),)))
        subject = ""
        if claims.encrypted_subject:
            subject = opened(claims.encrypted_subject, keys, claim="sub")
            if not 0 < len(subject) <= _MOST_SUBJECT_CHARS or not subject.isprintable():
                raise bad("sub")
        return Grant(
            is_exact=True,
            subject=subject,
            session=checked.session,
            not_before=claims.not_before or 0,
            expires_at=claims.expires_at,
            key_id=checked.key.key_id,
            scheme=SCHEME,
            issuer=claims.issuer,
            token_id=claims.token_id,
            rules=tuple(rules),
            renewal=renewal_of(claims) if self._settings.renewal_key else None,
            once=bool(claims.token_id),  # section 2.1.7
        )

    def renewed(self, token: str, *, now: float) -> str:
        """The next token of the chain (RFC 9246 section 3.2), or a ``NotAllowed``."""
        checked = self._checked(token, now)
        claims, settings = checked.claims, self._settings
        if renewal_of(claims) is None or settings.renewal_key is None:
            raise TokenUnsupported("The token is not renewed.")
        if now >= claims.expires_at:
            raise TokenExpired
        if now < (claims.not_before or 0):
            raise TokenNotYetValid
        key = self._keys.current().to_sign(settings.renewal_key)
        if key is None:
            raise TokenUnknownKey("The key that renews tokens is gone.")
        text = following(
            claims,
            key=key,
            now=now,
            issuer=settings.renewal_issuer or claims.issuer,
            session=checked.session,
        )
        # Tokens with the header that all share are written without it, as they are read.
        return text.removeprefix(f"{settings.jwt_header}.") if settings.jwt_header else text

    def _checked(self, token: str, now: float) -> _Checked:
        signed = read_signed(token, detached_header=self._settings.jwt_header)
        key = verify_signature(signed, self._candidates(signed))
        claims = read_claims(signed.payload)
        self._check_parties(claims, key)
        self._check_times(claims, now)
        return _Checked(
            claims=claims, key=key, session=claims.session or claims.token_id or _digest(signed)
        )

    def _candidates(self, signed: Signed) -> list[Key]:
        """The key that the header names; for one that names none those of the issuer, or the only one there is."""
        header, keys = signed.header, self._keys.current()
        if header.key_id:
            key = keys.to_verify(header.key_id)
            if key is None:
                raise TokenUnknownKey(key_id=header.key_id)
            if key.algorithm != header.algorithm:
                raise TokenBadSignature("The token's alg is not that of its key.")
            return [key]
        issuer = json_object(signed.payload).get("iss")
        named = self._settings.issuer_keys.get(issuer) if isinstance(issuer, str) else None
        found = _fitting(keys, header.algorithm, keys.keys if named is None else named)
        if not found or (named is None and len(found) > 1):
            raise TokenUnknownKey("The token does not say which key it was signed with.")
        return found

    def _check_parties(self, claims: UriClaims, key: Key) -> None:
        """Sections 2.1.1 and 2.1.3: who signed it, and for whom; and what the settings ask for (2.1)."""
        for name in self._settings.required_claims:
            if name not in claims.signed:
                raise bad(name)
        if claims.issuer:
            own = self._settings.issuer_keys.get(claims.issuer)
            if claims.issuer not in self._issuers or (own is not None and key.key_id not in own):
                raise bad("iss")
        if claims.audiences and self._audiences.isdisjoint(claims.audiences):
            raise bad("aud")

    def _check_times(self, claims: UriClaims, now: float) -> None:
        """What can be said of its times whenever it is used."""
        begins_at = now
        if claims.issued_at is not None:
            if claims.issued_at > now + self._leeway:
                raise TokenNotYetValid
            begins_at = claims.issued_at
        if claims.expires_at - min(begins_at, now) > self._max_lifetime:
            raise bad("exp")
        if claims.renewed_seconds > self._max_lifetime:
            raise bad("cdniets")


def open_uri_signing(
    name: str,
    settings: UriSigning,
    *,
    keys: Keys | None,
    public_url: str,
    leeway_seconds: float,
) -> UriSigningVerifier:
    """The verifier of one signer, or ``WrongUse`` if its settings cannot work."""
    where = f"tokens.signers.{name}"
    if keys is None:
        raise WrongUse(f"{where}: set keys_file or jwks_url")
    try:
        normal_uri(public_url)
    except NotAUri as error:
        raise WrongUse(f"{where}: URI signing needs the edge's own http or https URL") from error
    if settings.jwt_header:
        try:
            read_header(settings.jwt_header)
        except NotAllowed as error:
            raise WrongUse(f"{where}: jwt_header is not an encoded JOSE header") from error
    if settings.renewal_key is not None:
        _check_renewal(where, settings, settings.renewal_key, keys.current())
    return UriSigningVerifier(settings, keys=keys, leeway_seconds=leeway_seconds)


def _check_renewal(where: str, settings: UriSigning, key_id: str, keys: KeySet) -> None:
    if settings.jwks_url is not None:
        raise WrongUse(f"{where}: renewal_key needs keys_file: nobody publishes private keys")
    if keys.to_sign(key_id) is None or keys.to_verify(key_id) is None:
        raise WrongUse(f"{where}: renewal_key names no key of keys_file that signs and verifies")
    renewing = settings.renewal_issuer
    if renewing is None:
        unfit = [name for name, own in settings.issuer_keys.items() if key_id not in own]
    elif renewing in settings.issuer_keys:
        unfit = [] if key_id in settings.issuer_keys[renewing] else [renewing]
    else:
        unfit = [] if renewing in settings.issuers else [renewing]
    if unfit:
        raise WrongUse(f"{where}: renewed tokens of {unfit[0]} would be refused: see issuer_keys")


def _fitting(keys: KeySet, algorithm: str, key_ids: Iterable[str]) -> list[Key]:
    found = (keys.to_verify(key_id) for key_id in key_ids)
    return [key for key in found if key is not None and key.algorithm == algorithm]


def _network(text: str) -> Network:
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not _PREFIX.match(inner):
        raise TokenBadClaims("The token's cdniip is neither an address nor a prefix.")
    return network(inner)


def _digest(signed: Signed) -> str:
    """Names a token by what was signed: of one ECDSA signature anybody can make a second that is good, too."""
    return hashlib.blake2b(signed.covered, digest_size=_SESSION_BYTES).hexdigest()
