"""The public keys of playback tokens, for edges that have no file with them."""

from __future__ import annotations

import hashlib

from aiohttp import ETag, hdrs, web
from pydantic import BaseModel, ConfigDict

from catalog import keys
from catalog.answers import to_bytes
from catalog.endpoints import Answer, endpoint

JWKS = "application/jwk-set+json"  # RFC 7517 section 8.5.2
MAX_AGE_SECONDS = 300  # a new key waits for longer than this before it signs

_HEADERS = {
    "Cache-Control": f"Good for {MAX_AGE_SECONDS} s.",
    "ETag": "Changes with the keys.",
}


class PublicKey(BaseModel):
    """A public JWK (RFC 7517) with the members of its kind; nbf: it signs from then on; exp: it verifies until then."""

    model_config = ConfigDict(extra="allow")

    kty: str
    kid: str
    alg: str
    use: str
    nbf: int | None = None
    exp: int | None = None


class PublicKeys(BaseModel):
    """A JWK Set; empty if tokens are signed with a shared secret."""

    keys: list[PublicKey]


@endpoint(
    "GET",
    "/.well-known/jwks.json",
    tag="app",
    answers=(
        Answer(schema=PublicKeys, description="A JWK Set.", headers=_HEADERS, media_type=JWKS),
        Answer(status=304, description="They are still those of If-None-Match.", headers=_HEADERS),
    ),
    request_headers={"If-None-Match": "The ETag of the keys that the caller has."},
)
async def public_keys(request: web.Request) -> web.Response:
    """The public keys of playback tokens; secrets are never shown."""
    body = to_bytes(request.app[keys.SIGNER].published())
    tag = ETag(hashlib.blake2b(body, digest_size=12).hexdigest())
    known = {known.value for known in request.if_none_match or ()}
    unchanged = not known.isdisjoint({tag.value, "*"})
    response = web.Response(status=304) if unchanged else web.Response(body=body, content_type=JWKS)
    response.etag = tag
    response.headers[hdrs.CACHE_CONTROL] = f"public, max-age={MAX_AGE_SECONDS}"
    return response
