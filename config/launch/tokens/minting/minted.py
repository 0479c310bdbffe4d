"""Mints a token of any scheme, and lets go of none that the edge would refuse."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from config.launch.tokens.errors import NotMinted
from config.launch.tokens.forms import is_url
from config.launch.tokens.keys import Chosen, read_keys, scheme_settings
from config.launch.tokens.minting.cat import mint_cat
from config.launch.tokens.minting.cloudfront import mint_cloudfront
from config.launch.tokens.minting.kawa import mint_kawa
from config.launch.tokens.minting.links import (
    mint_access_control,
    mint_akamai,
    mint_secure_link,
    mint_url_sig,
)
from config.launch.tokens.minting.uri_signing import mint_uri_signing
from config.launch.tokens.minting.wanted import Wanted
from config.launch.tokens.verified import Request, verify
from config.runtime.keys import KeySet
from config.runtime.processes import WrongUse
from config.settings.load import Settings
from config.settings.schemes.cat import CommonAccessToken
from config.settings.schemes.links import AccessControl, Akamai, CloudFront, SecureLink, UrlSig
from config.settings.schemes.uri_signing import UriSigning
from config.settings.tokens import AnyScheme
from edge.tokens.kawa import SCHEME as KAWA

_NAME = "signer"
_MAX_CHARS = 8000  # edge/target.py: longer addresses are refused


async def mint(wanted: Wanted, *, settings: Settings, chosen: Chosen) -> str:
    """A token, or a URL with one; ``NotMinted`` for what cannot be signed or would be refused."""
    scheme = _scheme(settings, chosen)
    if chosen.file is not None and wanted.url is not None and "://" in wanted.url:
        parts = urlsplit(wanted.url)
        wanted = replace(wanted, public_url=f"{parts.scheme}://{parts.netloc}")
    text = _signed(wanted, scheme, settings, chosen)
    if len(text) > _MAX_CHARS:
        raise NotMinted("this would be longer than edges take a token to be")
    await _check(text, wanted, settings, chosen, scheme)
    return text


def _scheme(settings: Settings, chosen: Chosen) -> AnyScheme | None:
    """The settings of the scheme that is to sign; ``None`` for Kawa's own."""
    if chosen.signer not in (None, KAWA):
        found = settings.tokens.signers.get(chosen.signer or "")
        if found is None:
            raise WrongUse(f"the settings have no signer {chosen.signer}")
        if chosen.scheme not in (None, found.scheme):
            raise WrongUse(f"{chosen.signer} is a signer of {found.scheme}")
        return found
    if chosen.scheme in (None, KAWA) or chosen.signer == KAWA:
        return None
    if chosen.file is None:
        raise WrongUse("give --signer NAME for one of the settings, or --keys FILE")
    fields = dict(chosen.fields or {})
    match chosen.scheme:
        case "uri-signing" | "cat" | "url-sig" | "access-control":
            fields.setdefault("keys_file", chosen.file)
        case "secure-link" | "akamai":
            fields.setdefault("secrets_file", chosen.file)
        case _:
            fields.setdefault("public_keys", {"K": chosen.file})
    return scheme_settings(chosen.scheme or "", fields)


def _signed(wanted: Wanted, scheme: AnyScheme | None, settings: Settings, chosen: Chosen) -> str:
    name = chosen.signer or _NAME
    match scheme:
        case None:
            keys = read_keys(chosen.file) if chosen.file else KeySet.read(settings.keys_file)
            return mint_kawa(wanted, keys)
        case UriSigning():
            return mint_uri_signing(_named(wanted, scheme), read_keys(_keys_file(scheme, chosen)))
        case CommonAccessToken():
            return mint_cat(_named(wanted, scheme), read_keys(_keys_file(scheme, chosen)))
        case UrlSig():
            return mint_url_sig(wanted, name, scheme)
        case AccessControl():
            return mint_access_control(wanted, name, scheme)
        case SecureLink():
            return mint_secure_link(wanted, name, scheme)
        case CloudFront():
            return mint_cloudfront(wanted, chosen.file, scheme)
        case Akamai():
            return mint_akamai(wanted, name, scheme)


def _named(wanted: Wanted, scheme: UriSigning | CommonAccessToken) -> Wanted:
    """By the only issuer that the settings accept, if none is named."""
    if wanted.issuer is None and "iss" not in wanted.claims and len(scheme.issuers) == 1:
        return replace(wanted, issuer=scheme.issuers[0])
    return wanted


def _keys_file(scheme: UriSigning | CommonAccessToken, chosen: Chosen) -> Path:
    file = chosen.file or scheme.keys_file
    if file is None:
        raise WrongUse("this signer's keys are fetched, and nobody publishes private ones: --keys")
    return file


async def _check(
    text: str, wanted: Wanted, settings: Settings, chosen: Chosen, scheme: AnyScheme | None
) -> None:
    """What the edge would refuse at the time from which on it is good is not given out."""
    address: Any = None
    if wanted.networks:
        try:
            address = ip_network(wanted.networks[0], strict=False).network_address
        except ValueError as error:
            raise NotMinted(f"{wanted.networks[0]} is no network") from error
    agent = wanted.claims.get("http_user_agent")
    request = Request(
        url=None if is_url(text) else wanted.url,
        method=wanted.methods[0] if wanted.methods else "GET",
        address=address,
        country=wanted.countries[0] if wanted.countries else "",
        headers={} if agent is None else {"User-Agent": str(agent)},
    )
    # The file of a signer in the settings only signs; what verifies is theirs.
    asked = replace(
        chosen,
        scheme=KAWA if scheme is None else scheme.scheme,
        file=None if chosen.signer not in (None, KAWA) else chosen.file,
    )
    now = float(max(wanted.now, (wanted.not_before or 0) + 1))
    verdict = await verify(text, request, settings=settings, chosen=asked, now=now)
    if verdict.refusal is not None:
        raise NotMinted(f"an edge would refuse it: {verdict.refusal.code}: {verdict.refusal}")
