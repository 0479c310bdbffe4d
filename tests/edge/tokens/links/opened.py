"""Verifiers with settings that tests share, each changed as a test needs it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from config.settings.schemes.links import AccessControl, Akamai, CloudFront, SecureLink, UrlSig
from edge.tokens.links.access_control import open_access_control
from edge.tokens.links.akamai import open_akamai
from edge.tokens.links.cloudfront import CloudFrontLinks
from edge.tokens.links.secrets import PublicKey
from edge.tokens.links.secure_link import open_secure_link
from edge.tokens.links.url_sig import open_url_sig
from edge.tokens.links.verifier import LinkVerifier
from tests.edge.tokens.links.asking import PUBLIC_URL

LONG = timedelta(days=400_000)  # published links hold for a thousand years
HOUR = timedelta(hours=1)
AKAMAI_KEY = "aabbccddeeff00112233445566778899"


def secure_link(public_url: str = PUBLIC_URL, **settings: Any) -> LinkVerifier:
    """nginx's secure_link, as its documentation has it."""
    given = {"scheme": "secure-link", "secrets": ("enigma",)} | settings
    return open_secure_link(
        "nginx", SecureLink(**given), keys=None, public_url=public_url, leeway_seconds=0
    )


def url_sig(public_url: str = PUBLIC_URL, **settings: Any) -> LinkVerifier:
    """Traffic Server's url_sig."""
    given = {"scheme": "url-sig", "keys": {"key3": "hush"}} | settings
    return open_url_sig("ats", UrlSig(**given), keys=None, public_url=public_url, leeway_seconds=0)


def access_control(public_url: str = PUBLIC_URL, **settings: Any) -> LinkVerifier:
    """Traffic Server's access_control."""
    given = {"scheme": "access-control", "keys": {"key1": "PEIFtmunx9"}} | settings
    return open_access_control(
        "access", AccessControl(**given), keys=None, public_url=public_url, leeway_seconds=0
    )


def akamai(public_url: str = PUBLIC_URL, **settings: Any) -> LinkVerifier:
    """Akamai's tokens."""
    given = {"scheme": "akamai", "secrets": (AKAMAI_KEY,)} | settings
    return open_akamai(
        "akamai", Akamai(**given), keys=None, public_url=public_url, leeway_seconds=0
    )


def cloudfront(
    keys: Mapping[str, PublicKey], public_url: str = PUBLIC_URL, **settings: Any
) -> LinkVerifier:
    """CloudFront's links, with keys that were read already."""
    given = CloudFront(
        **{"scheme": "cloudfront", "public_keys": {"unused": "unused.pem"}} | settings
    )
    return LinkVerifier(
        "aws", CloudFrontLinks("aws", given, keys, public_url), given, leeway_seconds=0
    )
