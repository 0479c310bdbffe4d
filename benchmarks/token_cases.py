"""Every scheme with keys of its own, a signer, tokens without end, and the bare library's way to check one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import cbor2
import jwt
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from cwt import COSE, COSEKey
from joserfc import jwe
from joserfc.jwk import OctKey

from config.launch.tokens.keys import scheme_settings
from config.launch.tokens.minting.cat import mint_cat
from config.launch.tokens.minting.cloudfront import mint_cloudfront
from config.launch.tokens.minting.kawa import mint_kawa
from config.launch.tokens.minting.links import (
    mint_akamai,
    mint_secure_link,
    mint_url_sig,
)
from config.launch.tokens.minting.uri_signing import mint_uri_signing
from config.launch.tokens.minting.wanted import Wanted
from config.runtime.jwk import new_jwk
from config.runtime.keys import KeySet
from config.settings.load import Settings
from edge.tokens.admitted import Admitted
from edge.tokens.kawa import KawaTokens
from edge.tokens.opened import verifier_of
from edge.tokens.signers import Signer, Signers
from edge.tokens.strict import base64url
from edge.tokens.verifier import FixedKeys

NOW = 1_800_000_000
PUBLIC_URL = "https://media.example.com"
PATH = "/vod/title/1.m4s"
_SETTINGS = Settings.model_validate({"edge": {"public_url": PUBLIC_URL}})

Mint = Callable[[int, int], str]  # number and end: a token, or the target of a link


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One scheme with one algorithm."""

    name: str
    peer: str
    signers: Signers
    strangers: Signers  # who know other keys
    is_link: bool
    mint: Mint
    bare: Callable[[str], object]  # given the same token or target

    def token(self, number: int, *, ends_at: int = NOW + 3600) -> str:
        """A token that no other number gives."""
        made = self.mint(number, ends_at)
        return self.linked(made) if self.is_link else made

    def linked(self, target: str) -> str:
        """The token that the edge makes of a link, each time that one comes."""
        path, _, query = target.partition("?")
        found = self.signers.link_of(path, query, {}, address=None, user_agent="")
        if found is None:
            raise ValueError(f"{self.name}: the edge does not see the link")
        return found.link.encode()


@contextmanager
def cases() -> Iterator[list[Case]]:
    """All of them, with their key files."""
    with tempfile.TemporaryDirectory() as folder:
        yield list(_cases(Path(folder)))


def _cases(folder: Path) -> Iterator[Case]:
    for algorithm in ("HS256", "ES256", "EdDSA"):
        yield _kawa(algorithm)
    for algorithm in ("HS256", "ES256"):
        yield _uri_signing(algorithm, encrypted=False)
    yield _uri_signing("ES256", encrypted=True)
    for algorithm in ("HS256", "ES256", "EdDSA"):
        yield _cat(algorithm)
    yield _cloudfront(folder)
    yield from _hmac_links()


def _keys(algorithm: str, key_id: str = "k1") -> KeySet:
    content = {"kty": "oct", "kid": "enc", "use": "enc", "alg": "A256GCM", "k": "A" * 43}
    return KeySet.of({"keys": [new_jwk(algorithm, key_id=key_id), content]}, source="benchmark")


def _wanted(ends_at: int, **said: Any) -> Wanted:
    return Wanted(now=NOW, expires_at=ends_at, public_url=PUBLIC_URL, **said)


def _signers(name: str, fields: dict[str, Any], keys: KeySet | None) -> Signers:
    """An edge with this signer besides the catalog, as every edge has one."""
    own = scheme_settings(name, {"max_lifetime": timedelta(days=7), **fields})
    fixed = None if keys is None else FixedKeys(keys)
    verifier = verifier_of("signer", own, keys=fixed, settings=_SETTINGS)
    kawa = Signer(verifier=KawaTokens(FixedKeys(_keys("EdDSA"))))
    return Signers({"kawa": kawa, "signer": Signer(verifier=verifier)}, Admitted("secret"))


def _kawa(algorithm: str) -> Case:
    keys, others = _keys(algorithm), _keys(algorithm, "k2")
    key = keys.keys["k1"]

    def of(own: KeySet) -> Signers:
        return Signers({"kawa": Signer(verifier=KawaTokens(FixedKeys(own)))}, Admitted("secret"))

    def bare(token: str) -> object:
        return jwt.decode(token, key.verifying, algorithms=[algorithm], options=_NO_CLOCK)

    def mint(number: int, ends_at: int) -> str:
        made_at = min(NOW, ends_at - 600)
        wanted = Wanted(
            now=made_at,
            expires_at=ends_at,
            public_url=PUBLIC_URL,
            paths=("/vod/title/",),
            session=f"{number:032x}",
            key_id="k1",
        )
        return mint_kawa(wanted, keys)

    return Case(
        name=f"kawa, {algorithm}",
        peer="pyjwt",
        signers=of(keys),
        strangers=of(others),
        is_link=False,
        mint=mint,
        bare=bare,
    )


_NO_CLOCK: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}


def _uri_signing(algorithm: str, *, encrypted: bool) -> Case:
    keys, others = _keys(algorithm), _keys(algorithm, "k2")
    key, secret = keys.keys["k1"], OctKey.import_key(keys.keys["enc"].content_key or b"")
    said: dict[str, Any] = {"paths": ("/vod/title/",), "issuer": "origin"}
    if encrypted:
        said |= {"subject": "viewer", "networks": ("192.0.2.0/24",)}

    def bare(token: str) -> object:
        claims = jwt.decode(token, key.verifying, algorithms=[algorithm], options=_NO_CLOCK)
        for name in ("sub", "cdniip") if encrypted else ():
            jwe.decrypt_compact(claims[name], secret, algorithms=["dir", "A256GCM"])
        return claims

    def mint(number: int, ends_at: int) -> str:
        return mint_uri_signing(
            _wanted(ends_at, session=f"{number:032x}", key_id="k1", **said), keys
        )

    fields = {"keys_file": "keys.json", "issuers": ["origin"]}
    return Case(
        name=f"uri-signing, {algorithm}{', two encrypted claims' if encrypted else ''}",
        peer="pyjwt and joserfc" if encrypted else "pyjwt",
        signers=_signers("uri-signing", fields, keys),
        strangers=_signers("uri-signing", fields, others),
        is_link=False,
        mint=mint,
        bare=bare,
    )


def _cat(algorithm: str) -> Case:
    keys, others = _keys(algorithm), _keys(algorithm, "k2")
    signing: Any = keys.keys["k1"].signing
    if isinstance(signing, bytes):
        key = COSEKey.from_symmetric_key(signing, alg="HMAC 256/256", kid="k1")
    else:
        pem = signing.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        key = COSEKey.from_pem(pem, kid="k1")
    cose = COSE.new()

    def bare(token: str) -> object:
        item = cbor2.loads(base64url(token))  # the library knows COSE, and strips no tag of a CWT
        return cbor2.loads(cose.decode(item.value, key))

    def mint(number: int, ends_at: int) -> str:
        wanted = _wanted(ends_at, paths=("/vod/title/",), token_id=f"{number:016x}", key_id="k1")
        return mint_cat(wanted, keys)

    fields = {"keys_file": "keys.json"}
    return Case(
        name=f"cat, {algorithm}",
        peer="cwt",
        signers=_signers("cat", fields, keys),
        strangers=_signers("cat", fields, others),
        is_link=False,
        mint=mint,
        bare=bare,
    )


def _cloudfront(folder: Path) -> Case:
    private, other = (
        rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2)
    )
    files = {name: folder / f"{name}.pem" for name in ("private", "public", "other")}
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    files["private"].write_bytes(pem)
    files["private"].chmod(0o600)
    for name, key in (("public", private), ("other", other)):
        public_pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        files[name].write_bytes(public_pem)
    fields = {"public_keys": {"K1": files["public"]}}
    settings: Any = scheme_settings("cloudfront", fields)
    public = private.public_key()

    def bare(target: str) -> object:
        query = dict(parse_qsl(urlsplit(target).query))
        resource, ends = PUBLIC_URL + target.partition("?")[0], int(query["Expires"])
        policy = (
            f'{{"Statement":[{{"Resource":"{resource}","Condition":'
            f'{{"DateLessThan":{{"AWS:EpochTime":{ends}}}}}}}]}}'
        )
        signature = base64.b64decode(query["Signature"].translate(_FROM_CLOUDFRONT))
        public.verify(signature, policy.encode(), padding.PKCS1v15(), SHA1())  # noqa: S303
        return ends

    def mint(number: int, ends_at: int) -> str:
        url = f"{PUBLIC_URL}{PATH}".replace("1.m4s", f"{number}.m4s")
        signed = mint_cloudfront(_wanted(ends_at, url=url), files["private"], settings)
        return signed.removeprefix(PUBLIC_URL)

    return Case(
        name="cloudfront, RSA with 2048 bits",
        peer="cryptography and urllib",
        signers=_signers("cloudfront", fields, None),
        strangers=_signers("cloudfront", {"public_keys": {"K2": files["other"]}}, None),
        is_link=True,
        mint=mint,
        bare=bare,
    )


_FROM_CLOUDFRONT = str.maketrans("-_~", "+=/")


def _hmac_links() -> Iterator[Case]:
    for name, fields, others, mint, bare in (
        ("url-sig", {"keys": {"key3": "hush"}}, {"keys": {"key2": "hash"}}, _url_sig, _bare_url_sig),
        ("secure-link", _NGINX, _NGINX | {"secrets": ["riddle"]}, _secure_link, _bare_secure_link),
        ("akamai", {"secrets": ["aa" * 16]}, {"secrets": ["bb" * 16]}, _akamai, _bare_akamai),
    ):  # fmt: skip
        settings = scheme_settings(name, fields)
        yield Case(
            name=name,
            peer="hashlib or hmac, and urllib",
            signers=_signers(name, dict(fields), None),
            strangers=_signers(name, dict(others), None),
            is_link=True,
            mint=lambda number, ends_at, mint=mint, settings=settings: mint(  # type: ignore[misc]
                number, ends_at, settings
            ),
            bare=bare,
        )


_NGINX = {"secrets": ["enigma"], "expression": "$secure_link_expires$uri $secret"}


def _url(number: int) -> str:
    return PATH.replace("1.m4s", f"{number}.m4s")


def _url_sig(number: int, ends_at: int, settings: Any) -> str:
    return mint_url_sig(_wanted(ends_at, url=_url(number)), "signer", settings)


def _secure_link(number: int, ends_at: int, settings: Any) -> str:
    return mint_secure_link(_wanted(ends_at, url=_url(number)), "signer", settings)


def _akamai(number: int, ends_at: int, settings: Any) -> str:
    # One token opens the title; what it says of the session makes it another one.
    wanted = _wanted(ends_at, url=_url(number), paths=("/vod/title/",), session=f"{number:032x}")
    return mint_akamai(wanted, "signer", settings)


def _bare_url_sig(target: str) -> object:
    query = dict(parse_qsl(urlsplit(target).query))
    signed = "media.example.com" + target.rpartition("&S=")[0] + "&S="
    digest = hmac.digest(b"hush", signed.encode(), "sha1").hex()
    if not hmac.compare_digest(digest, query["S"]) or int(query["E"]) < 0:
        raise ValueError
    return query


def _bare_secure_link(target: str) -> object:
    parts = urlsplit(target)
    query = dict(parse_qsl(parts.query))
    text = f"{int(query['expires'])}{parts.path} enigma"
    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    if not hmac.compare_digest(base64url(query["md5"]), digest):
        raise ValueError
    return query


_AKAMAI_KEY = bytes.fromhex("aa" * 16)


def _bare_akamai(target: str) -> object:
    token = dict(parse_qsl(urlsplit(target).query))["hdnts"]
    signed, _, given = token.rpartition("~hmac=")
    fields = dict(item.split("=", 1) for item in signed.split("~"))
    digest = hmac.digest(_AKAMAI_KEY, signed.encode(), "sha256").hex()
    if not hmac.compare_digest(digest, given) or int(fields["exp"]) < 0:
        raise ValueError
    return fields
