"""Whose tokens are looked at: the settings' signers, or one that is made of a file with keys."""

from __future__ import annotations

import contextlib
import json
import secrets
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from pydantic import TypeAdapter, ValidationError

from config.launch.tokens.errors import NotAToken
from config.launch.tokens.forms import Form
from config.launch.tokens.inspected import inspect
from config.runtime.key_files import read_file, require_owner_only
from config.runtime.keys import BadKeys, KeySet
from config.runtime.processes import WrongUse
from config.settings.load import Settings
from config.settings.tokens import AnyScheme
from edge.tokens.admitted import Admitted
from edge.tokens.kawa import SCHEME as KAWA
from edge.tokens.kawa import KawaTokens
from edge.tokens.links.link import signer_of
from edge.tokens.opened import open_signers, verifier_of
from edge.tokens.signers import Signer, Signers
from edge.tokens.verifier import FixedKeys

_NAMED = ("url-sig", "access-control")
_PLAIN = ("secure-link", "akamai")
_JWKS = ("uri-signing", "cat")
_LONGEST = timedelta(days=36_500)  # who has only a token and keys wants to know what it says
_SCHEME: TypeAdapter[AnyScheme] = TypeAdapter(AnyScheme)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What the options say of the signer."""

    signer: str | None = None  # of the settings
    scheme: str | None = None
    file: Path | None = None  # with keys, in place of the settings
    fields: Mapping[str, Any] | None = None  # further settings of the scheme


@contextlib.asynccontextmanager
async def signers_of(
    settings: Settings, chosen: Chosen, form: Form, *, public_url: str, now: float
) -> AsyncIterator[Signers]:
    """Those who could have signed what has this form, or ``WrongUse``."""
    settings = _for_url(settings, public_url)
    if chosen.file is not None:
        yield Signers(
            signers_in(settings, chosen, form, now=now), Admitted(secrets.token_urlsafe())
        )
        return
    names = settings.tokens.signers
    if chosen.signer is not None and chosen.signer != KAWA:
        if chosen.signer not in names:
            known = ", ".join([KAWA, *names])
            raise WrongUse(f"the settings have no signer {chosen.signer}; there are: {known}")
        names = {chosen.signer: names[chosen.signer]}
    elif chosen.signer == KAWA:
        names = {}
    if chosen.scheme is not None:
        names = {name: own for name, own in names.items() if own.scheme == chosen.scheme}
        if not names and chosen.scheme != KAWA:
            raise WrongUse(f"the settings have no signer of {chosen.scheme}: give --keys FILE")
    async with contextlib.AsyncExitStack() as stack:
        # What is fetched is not kept where a running edge keeps it.
        state = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tokens = settings.tokens.model_copy(
            update={"signers": names, "keys_file": settings.keys_file}
        )
        own = settings.model_copy(update={"tokens": tokens, "var_dir": state})
        without_kawa = (chosen.signer or chosen.scheme or KAWA) != KAWA or (
            bool(names) and not settings.keys_file.exists() and not tokens.jwks_url
        )
        key = settings.edge.carry_key
        yield await stack.enter_async_context(
            open_signers(
                own,
                secret=key.get_secret_value() if key else secrets.token_urlsafe(),
                key_set=KeySet({}) if without_kawa else None,
                on_gone=lambda _: None,
            )
        )


def scheme_settings(scheme: str, fields: Mapping[str, Any]) -> AnyScheme:
    """The settings of a scheme, or ``WrongUse`` that says which of them is wrong."""
    try:
        return _SCHEME.validate_python({"max_lifetime": _LONGEST, "scheme": scheme, **fields})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        raise WrongUse(f"--set {where}: {first['msg']}") from error


def read_keys(path: Path) -> KeySet:
    """A JWK Set, or one JWK, or ``BadKeys``; ended keys are in it, for the clock is the caller's."""
    content = read_file(path)
    document = _document(content.data, path)
    keys = KeySet.of(document, source=str(path))
    if any(key.is_secret for key in keys.keys.values()):
        require_owner_only(content, path)
    return keys


def signers_in(settings: Settings, chosen: Chosen, form: Form, *, now: float) -> dict[str, Signer]:
    """A signer of whatever scheme the token is of, with the keys of the file."""
    path, scheme = chosen.file, chosen.scheme or form.scheme
    if path is None or not scheme:
        return {}
    if scheme == KAWA:
        return {KAWA: Signer(verifier=KawaTokens(FixedKeys(read_keys(path).at(now))))}
    fields = dict(chosen.fields or {})
    name = scheme if form.kind != "link" else signer_of(form.text) or scheme
    keys = None
    with contextlib.ExitStack() as stack:
        if scheme in _JWKS:
            keys = FixedKeys(read_keys(path).at(now))
            fields = _accepting(form, scheme) | {"keys_file": path} | fields
        elif scheme in _NAMED:
            fields = {"keys_file": path} | fields
        elif scheme in _PLAIN:
            fields = {"secrets_file": path} | fields
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            fields = {"public_keys": _public(path, form, folder)} | fields
        own = scheme_settings(scheme, fields)
        return {name: Signer(verifier=verifier_of(name, own, keys=keys, settings=settings))}


def private_pem(path: Path) -> Any:
    """The private key in a PEM file that nobody else can read, or ``WrongUse``."""
    content = read_file(path)
    require_owner_only(content, path)
    try:
        return load_pem_private_key(content.data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise WrongUse(f"{path}: no PEM file with a private key") from error


def _document(data: bytes, path: Path) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadKeys(f"{path}: not JSON, and so no JWK Set") from error
    if isinstance(document, dict) and "kty" in document:
        return {"keys": [document]}
    if not isinstance(document, dict):
        raise BadKeys(f"{path}: not a JWK Set")
    return document


def _accepting(form: Form, scheme: str) -> dict[str, Any]:
    """Settings that take issuer and audience as the token names them: whoever has only a key knows no others."""
    if form.kind not in ("jws", "cwt"):
        return {}
    try:
        claims = inspect(form.text)["claims"]
    except NotAToken:
        return {}
    issuer, audience = claims.get("iss"), claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    return {
        "issuers": [issuer] if isinstance(issuer, str) and scheme != "cat" else [],
        "audiences": [name for name in audiences if isinstance(name, str)],
    }


def _public(path: Path, form: Form, folder: Path) -> dict[str, Path]:
    """The public half of a PEM file, under the name that the link has for it."""
    data = read_file(path).data
    load: Callable[[bytes], Any] = load_pem_public_key
    if b"PRIVATE KEY" in data:
        key = private_pem(path).public_key()
    else:
        try:
            key = load(data)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise WrongUse(f"{path}: no PEM file with a key") from error
    file = folder / "public.pem"
    file.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return {form.says.get("Key-Pair-Id", "K"): file}


def _for_url(settings: Settings, public_url: str) -> Settings:
    edge = settings.edge.model_copy(update={"public_url": public_url})
    catalog = settings.catalog.model_copy(update={"edge_url": public_url})
    return settings.model_copy(update={"edge": edge, "catalog": catalog})
