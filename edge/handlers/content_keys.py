"""Content keys: GET and HEAD of ``…/{title path}/key/{id}``, POST of ``…/{title path}/key/license`` for ClearKey."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import hdrs, web

from edge import keys, metrics
from edge.content_keys.licenses import MAX_REQUEST_BYTES, asked_kids, license_of
from edge.content_keys.names import KeyName, is_reserved, key_name
from edge.content_keys.stores import KeyStore
from edge.errors import MethodNotAllowed, NotFound
from edge.handlers.given import Given
from edge.handlers.received import received
from edge.target import Target

STORES: web.AppKey[Mapping[str, KeyStore]] = web.AppKey("content_keys")  # by origin

_HEADERS = {hdrs.CACHE_CONTROL: "no-store", hdrs.ACCEPT_RANGES: "none"}


def store_of(request: web.Request, target: Target) -> KeyStore | None:
    """The key store that answers for a target, always under a token; ``None`` if it names a file."""
    store = None if target.carried is not None else request.app[STORES].get(target.origin)
    if store is None or not is_reserved(target.path):
        if request.method == hdrs.METH_POST:
            raise MethodNotAllowed
        return None
    request[keys.ROUTE] = "key"
    return store


async def content_key(request: web.Request, store: KeyStore, target: Target) -> web.Response:
    """A key, or a licence, to someone whose grant covers the title."""
    name = key_name(target.path)
    if name is None or name.is_license != (request.method == hdrs.METH_POST):
        metrics.CONTENT_KEYS.labels("aes-128", "unknown").inc()
        raise NotFound("There is no such key.")
    if name.is_license:
        return await _license(request, store, name)
    key = await store.key(name.title, name.key_id)
    if key is None:
        metrics.CONTENT_KEYS.labels("aes-128", "unknown").inc()
        raise NotFound("There is no such key.")
    metrics.CONTENT_KEYS.labels("aes-128", "given").inc()
    return _answer(request, key, "application/octet-stream")


async def _license(request: web.Request, store: KeyStore, name: KeyName) -> web.Response:
    kids = asked_kids(await received(request, most=MAX_REQUEST_BYTES))
    found = {kid: await store.key_of(name.title, kid) for kid in kids}
    known = {kid: key for kid, key in found.items() if key is not None}
    metrics.CONTENT_KEYS.labels("clearkey", "unknown").inc(len(kids) - len(known))
    if not known:
        raise NotFound("There is no such key.")
    metrics.CONTENT_KEYS.labels("clearkey", "given").inc(len(known))
    return _answer(request, license_of(known), "application/json")


def _answer(request: web.Request, body: bytes, content_type: str) -> web.Response:
    headers = _HEADERS | {hdrs.CONTENT_TYPE: content_type}
    return Given(request, route="key", body=body, headers=headers)
