"""A real S3 server for tests: npm's s3rver, behind a gate that adds what s3rver 3.7.1 leaves out.

s3rver takes every AWS Signature Version 4 unread, knows no ``If-Match`` and cannot abort a multipart upload. The gate
does these three as AWS describes them and hands all else through.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout, web
from pydantic import SecretStr
from yarl import URL

from config.runtime.serving import listening_socket
from config.settings.shared import ListenSettings, S3Settings
from tests.config.sigv4 import NotSigned, SignedRequest, check
from tests.lacking import lacking

_PROGRAM = Path(__file__).parents[1] / "node_modules" / "s3rver" / "bin" / "s3rver.js"
_KEY = "S3RVER"  # s3rver's one account: key and secret
_START_SECONDS = 30
_LARGEST_BODY = 64 * 2**20
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding"}

Fault = Callable[[web.Request], Awaitable[bool]]


async def no_fault(_request: web.Request) -> bool:
    return False


class S3Server:
    """A running server with one empty bucket."""

    def __init__(self, folder: Path, *, upstream: URL, session: ClientSession) -> None:
        self._folder = folder
        self._upstream = upstream
        self._session = session
        self.settings = S3Settings()  # with the address, once it listens
        self.seen: list[str] = []  # method and target of each request
        self.fails: Fault = no_fault  # which requests are answered with this error:
        self.error_code = "InjectedFault"

    def unfinished_uploads(self) -> list[str]:
        """The ids of multipart uploads, in every bucket, that were neither completed nor aborted."""
        return [path.name for path in self._folder.glob("*/._S3rver_uploads/*")]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(f"{request.method} {request.raw_path}")
        body = await request.read()
        try:
            self._check_signature(request, body)
        except NotSigned as refusal:
            return _refusal(403, str(refusal))
        if await self.fails(request):
            return _refusal(400, self.error_code)
        if request.method == "DELETE" and "uploadId" in request.query:
            return self._abort(request.path.split("/")[1], request.query["uploadId"])
        if (wanted := request.headers.get("If-Match")) and not await self._is(request, wanted):
            return _refusal(412, "PreconditionFailed")
        return await self._pass_on(request, body)

    def _check_signature(self, request: web.Request, body: bytes) -> None:
        signed = SignedRequest(
            method=request.method,
            target=request.raw_path,
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
        )
        check(signed, access_key=_KEY, secret_key=_KEY, now=datetime.now(UTC))

    def _abort(self, bucket: str, upload: str) -> web.Response:
        parts = self._folder / bucket / "._S3rver_uploads" / upload
        if not re.fullmatch(r"[0-9a-f]+", upload) or not parts.is_dir():
            return _refusal(404, "NoSuchUpload")
        shutil.rmtree(parts)
        return web.Response(status=204)

    async def _is(self, request: web.Request, etag: str) -> bool:
        async with self._session.head(self._address(request)) as answer:
            return answer.headers.get("ETag") == etag

    async def _pass_on(self, request: web.Request, body: bytes) -> web.StreamResponse:
        async with self._session.request(
            request.method,
            self._address(request),
            data=io.BytesIO(body) if body else None,
            headers=request.headers,
        ) as answer:
            headers = [
                (name, value)
                for name, value in answer.headers.items()
                if name.lower() not in _HOP_BY_HOP
            ]
            response = web.StreamResponse(status=answer.status, headers=headers)
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    def _address(self, request: web.Request) -> URL:
        return self._upstream.join(URL(request.raw_path, encoded=True))


@contextlib.asynccontextmanager
async def s3_server(folder: Path) -> AsyncIterator[S3Settings]:
    """The settings of a server that keeps its objects in ``folder``, with an empty bucket."""
    async with running_s3(folder) as server:
        yield server.settings


@contextlib.asynccontextmanager
async def running_s3(folder: Path) -> AsyncIterator[S3Server]:
    """A server whose faults a test can choose."""
    timeout = ClientTimeout(total=60)
    async with (
        _s3rver(folder, bucket=S3Settings().bucket) as upstream,
        ClientSession(timeout=timeout, auto_decompress=False) as session,
    ):
        server = S3Server(folder, upstream=upstream, session=session)
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", server.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        sock = listening_socket(ListenSettings(), backlog=64)
        try:
            await web.SockSite(runner, sock).start()
            server.settings = S3Settings(
                endpoint=f"http://127.0.0.1:{sock.getsockname()[1]}",
                access_key=SecretStr(_KEY),
                secret_key=SecretStr(_KEY),
                part_bytes=5 * 2**20,
            )
            yield server
        finally:
            await runner.cleanup()


@contextlib.asynccontextmanager
async def _s3rver(folder: Path, *, bucket: str) -> AsyncIterator[URL]:
    process = await asyncio.create_subprocess_exec(
        *(_node(), str(_PROGRAM), "--directory", str(folder), "--address", "127.0.0.1"),
        *("--port", "0", "--silent", "--no-vhost-buckets", "--configure-bucket", bucket),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    try:
        said = []
        async with asyncio.timeout(_START_SECONDS):
            while line := (await process.stdout.readline()).decode():
                said.append(line)
                if match := re.search(r"listening on 127\.0\.0\.1:(\d+)", line):
                    break
        assert match, f"s3rver did not start: {''.join(said)}"
        yield URL(f"http://127.0.0.1:{match[1]}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def _node() -> str:
    node = shutil.which("node")
    if node is None or not _PROGRAM.exists():
        what = "s3rver" if node else "node"
        lacking(f"S3 cannot be tested without {what}: make setup-test")
    return node


def _refusal(status: int, code: str) -> web.Response:
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>"
    return web.Response(status=status, text=text, content_type="application/xml")
