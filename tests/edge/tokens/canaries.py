"""Tokens and links of every scheme, and what of them must be found nowhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from config.contracts.tokens import Renew
from tests.edge.tokens.cat import minting
from tests.edge.tokens.links import signing
from tests.edge.tokens.uri_signing import support

PUBLIC_URL = "https://edge.example"
AKAMAI_KEY = "00112233445566778899aabbccddeeff"
CUSTOM = "viewerpass"  # what an operator calls the tokens of one signer
Mint = Callable[..., str]

_SHORTEST = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """One token, and how it is: ``text`` as it stands in a path or a field."""

    name: str
    text: str
    good: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedLink:
    """One signed address or cookie, and the part of it that nobody else may learn."""

    name: str
    target: str
    secret: str
    cookie: str = ""


def signers(folder: Path) -> dict[str, Any]:
    """Settings of signers of every scheme, with their key files in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "uri.json").write_text(json.dumps({"keys": list(support.SIGNING.values())}))
    (folder / "cat.json").write_text(json.dumps({"keys": [minting.jwks()["HS256"]]}))
    for name in ("uri.json", "cat.json"):
        (folder / name).chmod(0o600)
    pem = _rsa().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / "cloudfront.pem").write_bytes(pem)
    return {
        "uri": {"scheme": "uri-signing", "keys_file": str(folder / "uri.json"), "issuers": ["origin"],
                "renewal_key": "es"},
        "cat": {"scheme": "cat", "keys_file": str(folder / "cat.json"), "default_key": "HS256"},
        "nginx": {"scheme": "secure-link", "secrets": ["enigma"], "reach": "folder",
                  "expression": "$secure_link_expires$uri $secret"},
        "old-nginx": {"scheme": "secure-link", "form": "path", "secrets": ["enigma"], "lifetime": "PT1H",
                      "origins": ["old"]},
        "ats": {"scheme": "url-sig", "keys": {"key3": "hush"}, "reach": "folder"},
        "access": {"scheme": "access-control", "keys": {"key1": "PEIFtmunx9"}},
        "akamai": {"scheme": "akamai", "secrets": [AKAMAI_KEY]},
        "other-akamai": {"scheme": "akamai", "secrets": [AKAMAI_KEY], "names": [CUSTOM]},
        "cloudfront": {"scheme": "cloudfront", "public_keys": {"KRSA": str(folder / "cloudfront.pem")}},
    }  # fmt: skip


def tokens(mint: Mint) -> list[Canary]:
    """Good, bad, over, due and of every scheme that has tokens."""
    now = int(time.time())
    renew = Renew(seconds=20, until=now + 3600)
    good = mint("/", session="of-good", token_id="good")
    uri = support.mint(support.claims(exp=now + 600, cdniuc=r"regex:https://edge\.example/.*"))
    renewed_uri = support.mint(
        support.claims(
            exp=now + 600,
            cdniuc=r"regex:https://edge\.example/.*",
            cdnistt=1,
            cdniets=60,
            cdnistd=1,
        )
    )
    return [
        Canary(name="good", text=good),
        Canary(name="due", text=mint("/", session="of-due", expires_at=now + 9, renew=renew)),
        Canary(
            name="over, renewed",
            text=mint(
                "/", session="of-late", issued_at=now - 600, expires_at=now - 300, renew=renew
            ),
        ),
        Canary(name="once", text=mint("/", session="of-once", token_id="one", once=True)),
        Canary(name="revoked", text=mint("/", session="of-revoked", token_id="gone"), good=False),
        Canary(
            name="over",
            text=mint("/", session="of-over", issued_at=now - 900, expires_at=now - 300),
            good=False,
        ),
        Canary(name="other title", text=mint("/other/", session="of-other"), good=False),
        Canary(name="forged", text=good[:-40] + good[-40:][::-1], good=False),
        Canary(name="uri signing", text=uri),
        Canary(name="uri signing, renewed", text=renewed_uri),
        Canary(name="cat", text=minting.base64url(minting.mac0({4: now + 600, 6: now}))),
        Canary(
            name="cat, forged",
            text=minting.base64url(minting.mac0({4: now + 600, 6: now}, key=b"x" * 32)),
            good=False,
        ),
    ]


def links(path: str) -> Iterator[SignedLink]:
    """Signed links of every scheme to one file."""
    ends = int(time.time()) + 600
    text = f"{ends}{path} enigma".encode()
    md5 = signing.base64url(_md5(text))
    yield SignedLink(name="nginx", target=f"{path}?md5={md5}&expires={ends}", secret=md5)
    wrong = signing.base64url(_md5(b"not" + text))
    yield SignedLink(name="nginx, bad", target=f"{path}?md5={wrong}&expires={ends}", secret=wrong)
    plain = path.split("/", 2)[2]
    in_path = _md5(f"{plain}enigma".encode()).hex()
    yield SignedLink(name="nginx, in the path", target=f"/old/{in_path}/{plain}", secret=in_path)
    ats = signing.url_sig(path, f"E={ends}&A=1&K=3&P=1", host="edge.example")
    yield SignedLink(name="url_sig", target=ats, secret=ats.rpartition("=")[2])
    access = signing.access_token(f"sub=frogs&exp={ends}&kid=key1")
    yield SignedLink(
        name="access_control", target=path, secret=access, cookie=f"TokenCookie={access}"
    )
    akamai = signing.akamai(f"exp={ends}~acl=/*", key=AKAMAI_KEY)
    mac = akamai.rpartition("=")[2]
    for name in ("hdnts", CUSTOM):
        yield SignedLink(name=f"{name}", target=f"{path}?{name}={quote(akamai)}", secret=mac)
        yield SignedLink(name=f"{name}, plain", target=f"{path}?{name}={akamai}", secret=mac)
        yield SignedLink(name=f"{name}, cookie", target=path, secret=mac, cookie=f"{name}={akamai}")
        escaped = signing.akamai(f"exp={ends}~acl=%2f*", key=AKAMAI_KEY)
        yield SignedLink(
            name=f"{name}, in the path",
            target=f"/{path.split('/')[1]}/{name}={escaped}/{plain}",
            secret=escaped.rpartition("=")[2],
        )
    policy = '{"Statement":[{"Resource":"%s","Condition":{"DateLessThan":{"AWS:EpochTime":%d}}}]}'
    canned = policy % (PUBLIC_URL + path, ends)
    wide = policy % (f"{PUBLIC_URL}/*", ends)
    sha256 = "Key-Pair-Id=KRSA&Hash-Algorithm=SHA256"
    for name, text_, query in (
        ("canned", canned, f"Expires={ends}"),
        ("own policy", wide, f"Policy={_own(wide.encode())}"),
    ):
        signature = _own(_rsa().sign(text_.encode(), padding.PKCS1v15(), SHA256()))
        target = f"{path}?{query}&Signature={signature}&{sha256}"
        yield SignedLink(name=f"CloudFront, {name}", target=target, secret=signature)
    cookie = (
        f"CloudFront-Policy={_own(wide.encode())}; CloudFront-Signature={signature}; "
        "CloudFront-Key-Pair-Id=KRSA; CloudFront-Hash-Algorithm=SHA256"
    )
    yield SignedLink(name="CloudFront, cookies", target=path, secret=signature, cookie=cookie)


def pieces(token: str) -> Iterator[str]:
    """What gives a token away: its signature, and long pieces of the rest."""
    parts = re.split(r"[.~]", token)
    # A JWT's header says nothing.
    for part in parts[1:] if token.startswith("eyJ") else parts:
        if len(part) >= _SHORTEST:
            yield part[-_SHORTEST:]
            yield part[:_SHORTEST]


def _own(data: bytes) -> str:
    """As CloudFront encodes it."""
    return base64.b64encode(data).decode().translate(str.maketrans("+=/", "-_~"))


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _rsa() -> rsa.RSAPrivateKey:
    return minting.rsa_key()
