"""Opens everyone whose tokens this edge accepts, with the keys they sign with."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from config.runtime.keys import KeySet
from config.runtime.processes import WrongUse
from config.settings.load import Settings
from config.settings.schemes.shared import Keyed
from config.settings.tokens import AnyScheme
from edge.tokens.admitted import Admitted
from edge.tokens.cat.verifier import open_cat
from edge.tokens.kawa import SCHEME, KawaTokens
from edge.tokens.keys.open import open_keys
from edge.tokens.keys.source import KeySource
from edge.tokens.links.access_control import open_access_control
from edge.tokens.links.akamai import open_akamai
from edge.tokens.links.cloudfront import open_cloudfront
from edge.tokens.links.secure_link import open_secure_link
from edge.tokens.links.url_sig import open_url_sig
from edge.tokens.signers import Signer, Signers
from edge.tokens.uri_signing.verifier import open_uri_signing
from edge.tokens.verifier import FixedKeys, Keys, Verifier

Gone = Callable[[frozenset[str]], None]

# Each takes the settings of its own scheme, which is what the key says.
_OPENERS: dict[str, Callable[..., Verifier]] = {
    "uri-signing": open_uri_signing,
    "cat": open_cat,
    "url-sig": open_url_sig,
    "access-control": open_access_control,
    "secure-link": open_secure_link,
    "cloudfront": open_cloudfront,
    "akamai": open_akamai,
}


@contextlib.asynccontextmanager
async def open_signers(
    settings: Settings,
    *,
    secret: str,
    key_set: KeySet | None = None,
    checked: Path | None = None,
    on_gone: Gone,
) -> AsyncIterator[Signers]:
    """Kawa's own catalog and the signers that the settings name, or ``WrongUse``.

    ``secret`` marks one-time tokens that were used; ``key_set`` takes the place of the catalog's keys; ``checked`` is
    a copy of the catalog's key file that is known to be good; ``on_gone`` is told which keys no longer verify anything.
    """
    async with contextlib.AsyncExitStack() as stack:
        signers: dict[str, Signer] = {}
        if key_set is not None:
            signers[SCHEME] = Signer(verifier=KawaTokens(FixedKeys(key_set)))
        else:
            url = settings.tokens.jwks_url
            file = None if url else settings.keys_file
            source = await _source(stack, SCHEME, settings, file, url, on_gone, checked=checked)
            signers[SCHEME] = Signer(verifier=KawaTokens(source), source=source)
        for name, scheme in settings.tokens.signers.items():
            if not isinstance(scheme, Keyed):
                # The secrets of links stand in their settings, and their verifiers know their origins.
                signers[name] = Signer(
                    verifier=verifier_of(name, scheme, keys=None, settings=settings)
                )
                continue
            file, url = scheme.keys_file, scheme.jwks_url
            if scheme.keys is not None:
                signers[name] = Signer(
                    verifier=verifier_of(name, scheme, keys=_said(name, scheme), settings=settings),
                    origins=scheme.origins,
                )
                continue
            source = await _source(stack, name, settings, file, url, on_gone)
            verifier = verifier_of(name, scheme, keys=source, settings=settings)
            signers[name] = Signer(verifier=verifier, origins=scheme.origins, source=source)
        yield Signers(signers, Admitted(secret))


def verifier_of(name: str, scheme: AnyScheme, *, keys: Keys | None, settings: Settings) -> Verifier:
    """The verifier of one signer's tokens, or ``WrongUse``."""
    return _OPENERS[scheme.scheme](
        name,
        scheme,
        keys=keys,
        public_url=settings.edge_url,
        leeway_seconds=settings.tokens.leeway.total_seconds(),
    )


def _said(name: str, scheme: Keyed) -> Keys:
    """The keys that stand in the settings themselves."""
    where = f"tokens.signers.{name}.keys"
    if scheme.keys is None or scheme.keys_file is not None or scheme.jwks_url is not None:
        raise WrongUse(f"{where}: set one of keys, keys_file and jwks_url")
    return FixedKeys(KeySet.parse(scheme.keys.get_secret_value().encode(), source=where))


async def _source(
    stack: contextlib.AsyncExitStack,
    name: str,
    settings: Settings,
    file: Path | None,
    url: str | None,
    on_gone: Gone,
    **more: Any,
) -> KeySource:
    return await stack.enter_async_context(
        open_keys(
            name,
            file=file,
            url=url,
            settings=settings.tokens,
            state=settings.var_dir / "keys",
            on_gone=on_gone,
            **more,
        )
    )
