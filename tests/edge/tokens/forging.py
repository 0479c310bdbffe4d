"""Signers of every scheme, and what they sign for one title: good, so that a test can do something wrong with it."""

from __future__ import annotations

import base64
import hmac
import json
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from config.settings.load import Settings
from tests.edge.tokens.cat import minting as cat
from tests.edge.tokens.links import signing
from tests.edge.tokens.uri_signing import support as uri

HOST = "edge.example.com"
EDGE = f"https://{HOST}"
MASTER_PATH = "/vod/title/master.m3u8"
SEGMENT_PATH = "/vod/title/v/1.m4s"
INIT_PATH = "/vod/title/v/init.mp4"
AKAMAI_KEY = "aabbccddeeff00112233445566778899"
URL_SIG_KEY = "hush"
ACCESS_KEY = "PEIFtmunx9"
ANYTHING = r"regex:https://edge\.example\.com/vod/title/.*"


def private_file(path: Path, keys_in_it: list[dict[str, Any]]) -> str:
    """A JWK Set that only its owner can read."""
    path.touch(0o600)
    path.write_text(json.dumps({"keys": keys_in_it}))
    return str(path)


def every_scheme(settings: Settings, folder: Path, key: rsa.RSAPrivateKey) -> Settings:
    """Those settings, and a signer of each scheme."""
    public = folder / "cloudfront.pem"
    public.write_bytes(
        key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    for_uris = [*uri.SIGNING.values(), uri.CONTENT]
    signers = {
        "partner": {
            "scheme": "uri-signing",
            "keys_file": private_file(folder / "uris.json", for_uris),
            "issuers": ["origin"],
            "renewal_key": "ed",
        },
        "cta": {
            "scheme": "cat",
            "keys": json.dumps({"keys": list(cat.jwks().values())}),
            "renewal_key": "HS256",
        },
        "nginx": {"scheme": "secure-link", "secrets": ["enigma"], "reach": "folder"},
        "aws": {"scheme": "cloudfront", "public_keys": {"K1": str(public)}},
        "akamai": {"scheme": "akamai", "secrets": [AKAMAI_KEY], "origins": ["vod"]},
        "ats": {"scheme": "url-sig", "keys": {"key0": URL_SIG_KEY}, "sig_anchor": "urlsig"},
        "members": {"scheme": "access-control", "keys": {"key1": ACCESS_KEY}, "origins": ["vod"]},
    }
    changed = settings.model_dump(exclude_unset=True)
    changed["tokens"] = {"signers": signers}
    changed["edge"]["public_url"] = EDGE
    vod = changed["edge"]["origins"]["vod"]
    vod["content_keys"] = {"kind": "derived", "masters": {"m1": "ab" * 32}}
    return Settings.model_validate(changed)


def uri_token(**claims: Any) -> str:
    """Of RFC 9246, for the title."""
    return uri.mint({"iss": "origin", "exp": int(time.time()) + 600, "cdniuc": ANYTHING, **claims})


def cat_token(claims: dict[int, Any] | None = None) -> str:
    """A Common Access Token for the title."""
    said = {4: int(time.time()) + 600, 312: {3: {1: "/vod/title/"}}, **(claims or {})}
    return cat.base64url(cat.mac0(said))


def secure_link(path: str) -> str:
    """Of nginx's secure_link_md5."""
    return signing.nginx(path, int(time.time()) + 600, address="127.0.0.1")


def akamai_token(fields: str = "acl=/vod/title/*") -> str:
    """Of Akamai's Auth Token 2.0."""
    return signing.akamai(f"exp={int(time.time()) + 600}~{fields}", key=AKAMAI_KEY)


def access_token(scope: str = "/vod/title/") -> str:
    """Of access_control."""
    claims = f"sub=user&exp={int(time.time()) + 600}&kid=key1&scope={scope}"
    return signing.access_token(claims, key=ACCESS_KEY)


def url_sig_link(path: str, *, parts: str = "1") -> str:
    """Of url_sig, in the query."""
    query = f"E={int(time.time()) + 600}&A=1&K=0&P={parts}"
    return signing.url_sig(path, query, host=HOST, parts=parts, key=URL_SIG_KEY)


def url_sig_folder(folder: str, *, parts: str = "1") -> str:
    """Of url_sig, behind its anchor: ``folder;urlsig=…``, to be followed by a slash and a path."""
    segments = [HOST, *folder[1:].split("/")]
    chosen = [part for n, part in enumerate(segments) if parts[min(n, len(parts) - 1)] == "1"]
    query = f";E={int(time.time()) + 600};A=1;K=0;P={parts}"
    text = "/".join(chosen) + f"{query};S="
    digest = hmac.digest(URL_SIG_KEY.encode(), text.encode(), "sha1").hex()
    return f"{folder};urlsig={signing.base64url(f'{query};S={digest}'.encode())}"


def cloudfront_query(key: rsa.RSAPrivateKey, *, resource: str = f"{EDGE}/vod/title/*") -> str:
    """A policy of the signer's own, as it stands in a query."""
    ends = {"DateLessThan": {"AWS:EpochTime": int(time.time()) + 600}}
    policy = json.dumps({"Statement": [{"Resource": resource, "Condition": ends}]}).encode()
    signature = key.sign(policy, padding.PKCS1v15(), hashes.SHA256())
    return (
        f"Policy={_cloudfront(policy)}&Signature={_cloudfront(signature)}"
        "&Key-Pair-Id=K1&Hash-Algorithm=SHA256"
    )


def _cloudfront(data: bytes) -> str:
    return base64.b64encode(data).decode().translate(str.maketrans("+=/", "-_~"))
