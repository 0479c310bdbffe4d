"""A bucket as an origin: signed GETs and HEADs (AWS Signature Version 4) on the pool that other origins use too."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

from aiobotocore.session import get_session
from aiohttp import ClientError, ClientSession, hdrs
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from botocore.exceptions import BotoCoreError
from multidict import CIMultiDict

from config.runtime.logging import get_logger
from config.settings.origins import HttpOrigin as HttpOriginSettings
from config.settings.origins import Pooled
from config.settings.origins import S3Origin as S3OriginSettings
from edge.content_keys.names import is_key_file
from edge.errors import OriginFailed
from edge.origin.asking import Request
from edge.origin.connector import open_session
from edge.origin.failover import Server
from edge.origin.files import bare
from edge.origin.guard import guard_of, host_of
from edge.origin.http import HttpOrigin
from edge.origin.reply import HttpReply
from edge.origin.resolver import Resolver
from edge.origin.upstream import Fields, Question, Reply

log = get_logger(__name__)

_METHODS = frozenset({"GET", "HEAD"})
# The only fields of a question that mean something to S3.
_ASKED = (
    hdrs.RANGE,
    hdrs.IF_RANGE,
    hdrs.IF_MATCH,
    hdrs.IF_NONE_MATCH,
    hdrs.IF_MODIFIED_SINCE,
    hdrs.IF_UNMODIFIED_SINCE,
)
_ANSWERS = frozenset({200, 206, 304, 412, 416})
_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,100})</Code>")
_REGION = re.compile(rb"<Region>([a-z0-9-]{1,64})</Region>")
_ERROR_BYTES = 16 * 1024
_CREDENTIALS_SECONDS = 5.0
_WARN_SECONDS = 60.0


class Credentials(Protocol):
    """Where the current key comes from."""

    async def get_frozen_credentials(self) -> ReadOnlyCredentials: ...


class WrittenCredentials:
    """A key that stands in the settings."""

    def __init__(self, access_key: str, secret_key: str) -> None:
        self._frozen = ReadOnlyCredentials(access_key, secret_key, None)

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return self._frozen


class MachineCredentials:
    """The machine's own: variables, files, web identity or instance role; renewed before they expire."""

    def __init__(self) -> None:
        self._session = get_session()
        self._found: Any = None
        self._lock = asyncio.Lock()

    async def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """The key of this moment, or ``OriginFailed``."""
        try:
            async with asyncio.timeout(_CREDENTIALS_SECONDS):
                async with self._lock:
                    if self._found is None:
                        self._found = await self._session.get_credentials()
                if self._found is None:
                    raise OriginFailed("This machine has no credentials for S3.", unsent=True)
                frozen: ReadOnlyCredentials = await self._found.get_frozen_credentials()
                return frozen
        # TimeoutError is an OSError; RuntimeError is what aiobotocore says of a renewed key that has expired.
        except (BotoCoreError, ClientError, OSError, RuntimeError) as error:
            raise OriginFailed(
                "The credentials for S3 could not be renewed.", unsent=True
            ) from error


def bucket_url(settings: S3OriginSettings) -> str:
    """The bucket's URL without a trailing slash, by path or by host."""
    endpoint = settings.endpoint
    if endpoint is None:
        suffix = ".cn" if settings.region.startswith("cn-") else ""
        endpoint = f"https://s3.{settings.region}.amazonaws.com{suffix}"
    endpoint = endpoint.rstrip("/")
    if settings.path_style:
        return f"{endpoint}/{settings.bucket}"
    scheme, _, rest = endpoint.partition("://")
    return f"{scheme}://{settings.bucket}.{rest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Reply:
    """What S3 answered, without what is only S3's business."""

    reply: HttpReply
    headers: Fields

    @property
    def status(self) -> int:
        return self.reply.status

    @property
    def reason(self) -> str:
        return self.reply.reason

    @property
    def url(self) -> str:
        return self.reply.url

    @property
    def framed(self) -> bool:
        return self.reply.framed

    def chunks(self) -> AsyncIterator[bytes]:
        """The object's bytes."""
        return self.reply.chunks()


class S3Origin(HttpOrigin):
    """Objects below a prefix; queries mean nothing."""

    again = frozenset({503})  # SlowDown

    def __init__(
        self,
        name: str,
        settings: S3OriginSettings,
        session: ClientSession,
        credentials: Credentials,
    ) -> None:
        super().__init__(name, _as_http(settings), session)
        self._region = settings.region
        self._credentials = credentials
        self._warned_at = 0.0

    def ask(self, question: Question) -> AbstractAsyncContextManager[Reply]:
        """The reply's head, or an ``OriginError`` that says what is wrong with bucket, region or key."""
        return self._mapped(question)

    @contextlib.asynccontextmanager
    async def _mapped(self, question: Question) -> AsyncIterator[Reply]:
        url = self.base + question.path
        if question.method not in _METHODS:
            yield bare(405, url, Allow="GET, HEAD")
            return
        if self.keeps_back(question.path):
            yield bare(404, url)
            return
        async with super().ask(question) as reply:
            assert isinstance(reply, HttpReply)  # noqa: S101
            if reply.status in _ANSWERS:
                yield S3Reply(reply=reply, headers=_for_viewers(reply.headers))
                return
            code, region = await _reason(reply)
        self._check(reply, code, region)
        yield bare(404, url)

    def keeps_back(self, path: str) -> bool:
        """Also the files of keys, which lie in a bucket beside what they open."""
        return is_key_file(path) or super().keeps_back(path)

    def _check(self, reply: HttpReply, code: str, region: str) -> None:
        """Return if there is no such object; raise ``OriginFailed`` with what to do about everything else."""
        status = reply.status
        if status == 404 and code in ("", "NoSuchKey"):
            return
        if status == 403 and code in ("", "AccessDenied"):
            # So S3 calls an object that is not there, to a key that must not list the bucket.
            now = time.monotonic()
            if now - self._warned_at > _WARN_SECONDS:
                self._warned_at = now
                log.warning("bucket denies access", origin=self.name)
            return
        region = region or reply.headers.get("x-amz-bucket-region", "")
        if region and region != self._region:
            raise OriginFailed(f"The bucket is in the region {region}, not in {self._region}.")
        raise OriginFailed(f"The bucket answered with status {status} {code}".rstrip() + ".")

    async def _prepared(self, server: Server, question: Question) -> Request:
        # What is signed is the path as it is sent, in the one spelling that S3 knows.
        url = server.base + quote(unquote(question.path), safe="/-_.~")
        headers = CIMultiDict(
            (name, question.headers[name]) for name in _ASKED if name in question.headers
        )
        key = await self._credentials.get_frozen_credentials()
        headers.update(signed(question.method, url, region=self._region, key=key))
        return Request(url, headers)


def signed(method: str, url: str, *, region: str, key: ReadOnlyCredentials) -> dict[str, str]:
    """The fields that sign a request without a body."""
    request = AWSRequest(method=method, url=url, headers={"Host": urlsplit(url).netloc})
    S3SigV4Auth(key, "s3", region).add_auth(request)
    return {str(name): str(value) for name, value in request.headers.items() if name != "Host"}


@contextlib.asynccontextmanager
async def open_s3_origin(
    name: str, settings: S3OriginSettings, *, resolver: Resolver
) -> AsyncIterator[S3Origin]:
    """A bucket with a connection pool of its own."""
    credentials: Credentials
    if settings.access_key is not None and settings.secret_key is not None:
        credentials = WrittenCredentials(
            settings.access_key.get_secret_value(), settings.secret_key.get_secret_value()
        )
    else:
        credentials = MachineCredentials()
    hosts = [host_of(bucket_url(settings))]
    if settings.endpoint is not None:
        hosts.append(host_of(settings.endpoint))
    guard = guard_of(hosts, private=settings.private)
    async with open_session(settings, guard=guard, resolver=resolver) as session:
        yield S3Origin(name, settings, session, credentials)


def _as_http(settings: S3OriginSettings) -> HttpOriginSettings:
    common = {name: getattr(settings, name) for name in Pooled.model_fields}
    prefix = quote(settings.prefix.strip("/"), safe="/-_.~")
    url = bucket_url(settings) + (f"/{prefix}" if prefix else "")
    return HttpOriginSettings(kind="http", url=url, **common)


def _for_viewers(headers: Fields) -> Fields:
    return CIMultiDict(
        (name, value) for name, value in headers.items() if not name.lower().startswith("x-amz-")
    )


async def _reason(reply: HttpReply) -> tuple[str, str]:
    """The code of an S3 error, and the region that it names; empty where there is none, as for HEAD."""
    body = b""
    async for chunk in reply.chunks():
        body += chunk
        if len(body) > _ERROR_BYTES:
            break
    code, region = _CODE.search(body), _REGION.search(body)
    return code[1].decode() if code else "", region[1].decode() if region else ""
