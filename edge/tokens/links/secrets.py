"""The signers' secrets, as settings or files give them."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from config.runtime.key_files import read_file, require_owner_only
from config.runtime.processes import WrongUse
from config.settings.schemes.links import Akamai, NamedSecrets, SecureLink

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
_LEAST_RSA_BITS = 2048


def named_secrets(name: str, settings: NamedSecrets) -> dict[str, bytes]:
    """The secrets by their names, from exactly one of the two places."""
    _one_of(name, "keys", bool(settings.keys), settings.keys_file)
    if settings.keys_file is None:
        return {key: value.get_secret_value().encode() for key, value in settings.keys.items()}
    found: dict[str, bytes] = {}
    for line in _lines(settings.keys_file):
        key, equals, value = (part.strip() for part in line.partition("="))
        if not key or not equals or not value or key in found:
            raise WrongUse(
                f"tokens.signers.{name}: {settings.keys_file} has a line that is not 'name = secret', or one twice"
            )
        found[key] = value.encode()
    if not found:
        raise WrongUse(f"tokens.signers.{name}: {settings.keys_file} holds no secrets")
    return found


def plain_secrets(name: str, settings: SecureLink | Akamai) -> tuple[str, ...]:
    """The secrets, of which a link does not say which it has."""
    _one_of(name, "secrets", bool(settings.secrets), settings.secrets_file)
    if settings.secrets_file is None:
        return tuple(secret.get_secret_value() for secret in settings.secrets)
    found = tuple(_lines(settings.secrets_file))
    if not found:
        raise WrongUse(f"tokens.signers.{name}: {settings.secrets_file} holds no secrets")
    return found


def public_key(name: str, path: Path) -> PublicKey:
    """An RSA key of 2048 bits or more, or a P-256 key, as CloudFront takes them."""
    data = read_file(path).data
    try:
        key = load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise WrongUse(f"tokens.signers.{name}: {path} is no PEM file with a public key") from error
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise WrongUse(
        f"tokens.signers.{name}: {path} holds neither an RSA key of {_LEAST_RSA_BITS} bits or more nor a P-256 key"
    )


def _one_of(name: str, field: str, given: bool, file: Path | None) -> None:
    if given == (file is not None):
        raise WrongUse(
            f"tokens.signers.{name}: exactly one of {field} and {field}_file must be set"
        )


def _lines(path: Path) -> list[str]:
    content = read_file(path)
    require_owner_only(content, path)
    try:
        text = content.data.decode()
    except UnicodeDecodeError as error:
        raise WrongUse(f"{path}: not text") from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
