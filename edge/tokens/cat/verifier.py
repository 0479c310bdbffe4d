"""Common Access Tokens of one signer: verified, renewed, and what they want said when they do not suffice."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import cbor2

from config.contracts.grants import Grant, Renewal
from config.runtime.jwk import Key
from config.runtime.processes import WrongUse
from config.settings.schemes.cat import CommonAccessToken
from edge.errors import (
    NotAllowed,
    TokenBadClaims,
    TokenMalformed,
    TokenUnknownKey,
    TokenUnsupported,
)
from edge.tokens.cat.answers import Answer, filled
from edge.tokens.cat.cbor import Tagged
from edge.tokens.cat.claims import RESTRICTING, Claims, claims_of
from edge.tokens.cat.cose import ALGORITHMS, Envelope, check, has_form, opened, sealed
from edge.tokens.cat.names import CATR
from edge.tokens.cat.renewal import next_claims, renewal_of
from edge.tokens.strict import to_base64url
from edge.tokens.verifier import Keys

SCHEME = "cat"
_SESSION_BYTES = 16


def open_cat(
    name: str,
    settings: CommonAccessToken,
    *,
    keys: Keys | None,
    public_url: str,
    leeway_seconds: float,
) -> CommonAccessTokens:
    """The verifier of a signer's tokens, or ``WrongUse`` if its settings cannot work; URIs are in ``Asked``."""
    del public_url
    if keys is None:
        raise WrongUse(f"tokens.signers.{name}: keys_file or jwks_url is missing")
    known = RESTRICTING.intersection(settings.ignored_claims)
    if known:
        raise WrongUse(f"tokens.signers.{name}: ignored_claims: {min(known)} is not to be ignored")
    if settings.renewal_key is not None:
        key = keys.current().to_sign(settings.renewal_key)
        if key is None or key.algorithm not in ALGORITHMS:
            raise WrongUse(
                f"tokens.signers.{name}: renewal_key: no private key of that name in the key file"
            )
    return CommonAccessTokens(settings, keys, leeway_seconds=leeway_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """A token whose signature and claims hold."""

    envelope: Envelope
    key: Key
    claims: Claims
    renewal: Renewal | None


class CommonAccessTokens:
    """One signer's Common Access Tokens."""

    scheme = SCHEME

    def __init__(self, settings: CommonAccessToken, keys: Keys, *, leeway_seconds: float) -> None:
        self._settings = settings
        self._keys = keys
        self._leeway = leeway_seconds
        self._longest = int(settings.max_lifetime.total_seconds())
        self._issuers = frozenset(settings.issuers)
        self._audiences = frozenset(settings.audiences)
        self._ignored = frozenset(settings.ignored_claims)
        self._opened: tuple[str, Envelope] | None = None  # the last one that was asked about

    def may_be(self, token: str) -> bool:
        """Whether it has the form of one, and names a key of this signer; nothing is verified."""
        if not has_form(token):
            return False
        try:
            envelope = opened(token)
            self._key(envelope)
        except TokenUnknownKey as error:
            return bool(error.key_id)  # which may have been published since
        except TokenUnsupported:
            return True
        except NotAllowed:
            return False
        self._opened = (token, envelope)
        return True

    def verify(self, token: str, *, now: float) -> Grant:
        """The grant of a token whose signature and claims hold, or a ``NotAllowed``."""
        read = self._read(token, now=now)
        claims = read.claims
        name = claims.token_id or _digest(read.envelope)
        return Grant(
            scheme=SCHEME,
            subject=claims.subject,
            session=name,
            # Used once by this name, and not by its text: without its tags it would be another text.
            token_id=name if claims.once else claims.token_id,
            issuer=claims.issuer,
            not_before=_begins(claims),
            began_at=claims.issued_at or 0,
            expires_at=claims.expires_at,
            key_id=read.key.key_id,
            rules=claims.rules,
            renewal=read.renewal,
            once=claims.once,
        )

    def renewed(self, token: str, *, now: float) -> str:
        """The same claims for the time that follows, or a ``NotAllowed``."""
        read = self._read(token, now=now)
        if read.renewal is None:
            raise TokenUnsupported("The token is not one that is renewed.")
        following = next_claims(read.claims.raw, read.renewal, now=int(now))
        return self._sealed(following, self._signing_key(), like=read.envelope)

    def answer(
        self, token: str, refusal: NotAllowed, *, now: float, claim: int | None = None
    ) -> Answer | None:
        """What the token wants sent instead of ``refusal`` (its catif); ``None``: the plain refusal.

        The claim that failed follows from the refusal's code unless it is given.
        """
        try:
            read = self._read(token, now=now)
        except NotAllowed:
            return None  # what cannot be trusted to grant cannot be trusted to redirect
        if read.claims.answers is None:
            return None

        def mint(wanted: Mapping[object, object], key_id: str) -> str | None:
            if not key_id or key_id != self._settings.renewal_key:
                return None
            found = filled(wanted, read.claims.raw, now=int(now))
            if found is None:
                return None
            try:
                text = self._sealed(found, self._signing_key(), like=read.envelope)
            except NotAllowed:
                return None
            return quote(text, safe="")

        return read.claims.answers.to(refusal.code, mint=mint, claim=claim)

    def _read(self, token: str, *, now: float) -> _Read:
        held = self._opened
        envelope = held[1] if held is not None and held[0] == token else opened(token)
        self._opened = None
        key = self._key(envelope)
        check(envelope, key)
        claims = claims_of(envelope.payload, ignored=self._ignored)
        self._check_parties(claims)
        self._check_times(claims, now)
        return _Read(
            envelope=envelope, key=key, claims=claims, renewal=self._renewal(claims, int(now))
        )

    def _key(self, envelope: Envelope) -> Key:
        key_id = envelope.key_id if envelope.key_id is not None else self._settings.default_key
        if key_id is None:
            raise TokenUnknownKey("The token names no key.")
        key = self._keys.current().to_verify(key_id)
        if key is None:
            raise TokenUnknownKey(key_id=key_id)
        return key

    def _check_parties(self, claims: Claims) -> None:
        if self._issuers and claims.issuer not in self._issuers:
            raise TokenBadClaims("The token's iss is not one that is accepted.")
        if claims.audiences and not self._audiences.intersection(claims.audiences):
            raise TokenBadClaims("The token's aud does not name this edge.")

    def _check_times(self, claims: Claims, now: float) -> None:
        longest = self._longest + self._leeway
        if claims.expires_at - now > longest:
            raise TokenBadClaims("The token's exp is too far in the future.")
        if claims.issued_at is not None and claims.expires_at - claims.issued_at > longest:
            raise TokenBadClaims("The token's exp is too far from its iat.")

    def _renewal(self, claims: Claims, now: int) -> Renewal | None:
        if CATR not in claims.raw:
            return None
        issued_at = claims.issued_at
        until = (now if issued_at is None else issued_at) + self._longest
        renewal = renewal_of(claims.raw[CATR], longest=self._longest, until=until)
        return renewal if self._settings.renewal_key is not None else None

    def _signing_key(self) -> Key:
        name = self._settings.renewal_key
        key = None if name is None else self._keys.current().to_sign(name)
        if key is None:
            raise TokenUnsupported("This edge has no key to sign the next token with.")
        return key

    def _sealed(self, claims: Mapping[object, object], key: Key, *, like: Envelope) -> str:
        text = to_base64url(sealed(_writable(claims), key, like=like))
        if not has_form(text):
            raise TokenMalformed("The next token would be too long.")
        return text


def _begins(claims: Claims) -> int:
    if claims.not_before is not None:
        return claims.not_before
    return claims.issued_at or 0


def _digest(envelope: Envelope) -> str:
    """A name for a token that has none: over what is signed, so that no other spelling of the rest has another."""
    signed = cbor2.dumps([envelope.protected, envelope.payload])
    return hashlib.blake2b(signed, digest_size=_SESSION_BYTES).hexdigest()


def _writable(claims: Mapping[object, object]) -> dict[object, object]:
    return {label: _item(value) for label, value in claims.items()}


def _item(value: object) -> object:
    if isinstance(value, Tagged):
        return cbor2.CBORTag(value.tag, _item(value.value))
    if type(value) is dict:
        return _writable(value)
    if type(value) is tuple:
        return [_item(part) for part in value]
    return value
