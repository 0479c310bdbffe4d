"""CloudFront's signed URLs, put together by botocore's own signer."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.signers import CloudFrontSigner
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm

from config.launch.tokens.errors import NotMinted
from config.launch.tokens.keys import private_pem
from config.launch.tokens.minting.links import required_url
from config.launch.tokens.minting.wanted import Wanted
from config.settings.schemes.links import CloudFront


def mint_cloudfront(wanted: Wanted, private: Path | None, settings: CloudFront) -> str:
    """The signed URL: with the canned policy, or with one of its own for paths, an address or a beginning."""
    wanted.require("cloudfront", "url", "paths", "networks", "not_before", "key_id")
    if private is None:
        raise NotMinted("links of CloudFront are signed with a private key: give --keys FILE.pem")
    key, url = private_pem(private), required_url(wanted)
    if "://" not in url:
        url = wanted.public_url + url
    key_id = wanted.key_id or next(iter(settings.public_keys))
    # SHA-1 is the default of the scheme; who has left it out of the settings signs with the other one.
    sha1 = "sha1" in settings.hashes
    algorithm: HashAlgorithm = SHA1() if sha1 else SHA256()  # noqa: S303
    signer = CloudFrontSigner(key_id, lambda message: _signature(key, message, algorithm))
    ends = datetime.fromtimestamp(wanted.expires_at, UTC)
    if wanted.paths or wanted.networks or wanted.not_before is not None:
        begins = wanted.not_before
        policy = signer.build_policy(
            f"{wanted.public_url}{wanted.path}*" if wanted.paths else url,
            ends,
            date_greater_than=None if begins is None else datetime.fromtimestamp(begins, UTC),
            ip_address=wanted.network,
        )
        signed: str = signer.generate_presigned_url(url, policy=policy)
    else:
        signed = signer.generate_presigned_url(url, date_less_than=ends)
    return signed if sha1 else f"{signed}&Hash-Algorithm=SHA256"


def _signature(key: Any, message: bytes, algorithm: HashAlgorithm) -> bytes:
    match key:
        case rsa.RSAPrivateKey():
            return key.sign(message, padding.PKCS1v15(), algorithm)
        case ec.EllipticCurvePrivateKey():
            return key.sign(message, ec.ECDSA(algorithm))
    raise NotMinted("the private key is neither RSA nor of an elliptic curve")
