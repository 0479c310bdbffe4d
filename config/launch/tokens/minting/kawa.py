"""Kawa's own tokens, as the catalog signs them."""

from __future__ import annotations

import secrets
from dataclasses import replace

from config.contracts.tokens import BadClaims, PlaybackClaims, Renew
from config.launch.tokens.errors import NotMinted
from config.launch.tokens.minting.wanted import Wanted
from config.runtime.keys import BadKeys, KeySet

_DEFAULT_SUBJECT = "operator"
_SESSION_SECONDS = 12 * 3600


def mint_kawa(wanted: Wanted, keys: KeySet) -> str:
    """A token for the path prefixes, by the key that signs now."""
    wanted.require(
        "kawa",
        *("paths", "subject", "session", "not_before", "token_id", "max_height", "max_bitrate"),
        *("languages", "methods", "networks", "countries", "streams", "renew", "renew_until"),
        *("once", "key_id", "ads", "debug"),
    )
    renew = None
    if wanted.renew is not None:
        until = wanted.renew_until or wanted.now + _SESSION_SECONDS
        renew = Renew(seconds=wanted.renew, until=max(until, wanted.expires_at))
    claims = PlaybackClaims(
        subject=_DEFAULT_SUBJECT if wanted.subject is None else wanted.subject,
        session=secrets.token_hex(16) if wanted.session is None else wanted.session,
        path_prefixes=wanted.paths,
        issued_at=wanted.now,
        expires_at=wanted.expires_at,
        not_before=wanted.not_before,
        token_id=secrets.token_hex(8)
        if wanted.once and not wanted.token_id
        else wanted.token_id or "",
        max_height=wanted.max_height,
        max_bitrate=wanted.max_bitrate,
        languages=wanted.languages,
        methods=wanted.methods,
        networks=wanted.networks,
        countries=wanted.countries,
        stream_limit=wanted.streams,
        renew=renew,
        once=wanted.once,
        ads=wanted.ads,
        debug=wanted.debug,
    )
    try:
        PlaybackClaims.from_json(claims.to_json())  # what the edge would refuse is not signed
        return _chosen(keys, wanted.key_id).sign(claims)
    except BadClaims as error:
        raise NotMinted(f"these cannot be signed: {error}") from error


def _chosen(keys: KeySet, key_id: str | None) -> KeySet:
    if key_id is None:
        return keys
    if keys.to_sign(key_id) is None:
        raise BadKeys(f"no key {key_id} that signs")
    # It is to sign now, whether its time has come or not.
    return KeySet({key_id: replace(keys.keys[key_id], not_before=0)})
