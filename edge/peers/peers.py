"""The other workers of this edge: who owns a key, and how to ask its owner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import (
    ClientConnectionError,
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    UnixConnector,
)
from yarl import URL

from edge import metrics

_CONNECT_SECONDS = 0.25
_CONNECTIONS = 256
_KEEP_SECONDS = 30.0
_LONGEST_FIELD_BYTES = 64 * 1024  # more than a viewer may send

Table = tuple[Path | None, ...]


class PeerUnavailable(Exception):
    """A sibling cannot be asked, or did not answer: ask the origin yourself."""


class Peers:
    """Siblings by slot; their addresses come from the parent and change as processes follow one another."""

    def __init__(self, slot: int, count: int) -> None:
        self.slot = slot
        self.count = count
        self._lines: list[Line | None] = [None] * count
        self._retired: set[asyncio.Task[None]] = set()

    @classmethod
    def alone(cls) -> Peers:
        """The only worker there is."""
        return cls(0, 1)

    def owner_of(self, digest: bytes) -> int:
        """The slot that fetches and keeps what ``digest`` (at least 8 bytes) names; the same in every worker."""
        return int.from_bytes(digest[:8]) % self.count

    def is_mine(self, digest: bytes) -> bool:
        """Whether this worker owns it."""
        return self.count == 1 or self.owner_of(digest) == self.slot

    def learn(self, table: Table) -> None:
        """Where the siblings are now; lines to those who left are closed once they are quiet."""
        for slot, path in enumerate(table[: self.count]):
            line = self._lines[slot]
            if (None if line is None else line.path) == path:
                continue
            self._lines[slot] = None if path is None or slot == self.slot else Line(path)
            if line is not None:
                if path is None:  # ended or silent: whoever waits for it shall not go on waiting
                    line.give_up()
                self._retire(line)

    @asynccontextmanager
    async def ask(
        self,
        slot: int,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | AsyncIterator[bytes] | None = None,
        head_seconds: float,
        idle_seconds: float,
    ) -> AsyncIterator[ClientResponse]:
        """A sibling's answer, its body still to be read; ``PeerUnavailable`` within milliseconds if it is gone.

        ``path`` begins with a slash and is sent as it is. Also reading the body may raise ``PeerUnavailable``,
        inside the block. Leaving the block in mid-body drops the connection.
        """
        line = self._lines[slot]
        if line is None:
            metrics.PEER_FAILURES.labels("unknown").inc()
            raise PeerUnavailable(f"worker {slot} does not serve now")
        async with line.ask(
            method,
            path,
            headers=headers,
            data=data,
            head_seconds=head_seconds,
            idle_seconds=idle_seconds,
        ) as answer:
            yield answer

    async def close(self) -> None:
        """Close every line."""
        lines, self._lines = self._lines, [None] * self.count
        for task in self._retired:
            task.cancel()
        await asyncio.gather(*self._retired, return_exceptions=True)
        for line in lines:
            if line is not None:
                await line.close()

    def _retire(self, line: Line) -> None:
        task = asyncio.create_task(line.close_when_quiet())
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)


class Line:
    """Pooled connections to the process behind one Unix socket."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._asking = 0
        self._heads: set[asyncio.Timeout] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._session = ClientSession(
            connector=UnixConnector(str(path), limit=_CONNECTIONS, keepalive_timeout=_KEEP_SECONDS),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            max_line_size=_LONGEST_FIELD_BYTES,
            max_field_size=_LONGEST_FIELD_BYTES,
        )

    @asynccontextmanager
    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | AsyncIterator[bytes] | None = None,
        head_seconds: float,
        idle_seconds: float,
    ) -> AsyncIterator[ClientResponse]:
        """The answer's head; whatever goes wrong with the process is ``PeerUnavailable``."""
        self._asking += 1
        self._quiet.clear()
        try:
            async with await self._head(
                method, path, headers, data, head_seconds, idle_seconds
            ) as answer:
                yield answer
        except (
            ClientError
        ) as error:  # only aiohttp's: a TimeoutError of the block is the block's own
            raise _unavailable(error) from error
        finally:
            self._asking -= 1
            if self._asking == 0:
                self._quiet.set()

    async def _head(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str] | None,
        data: bytes | AsyncIterator[bytes] | None,
        head_seconds: float,
        idle_seconds: float,
    ) -> ClientResponse:
        try:
            async with asyncio.timeout(head_seconds) as limit:
                self._heads.add(limit)
                try:
                    return await self._session.request(
                        method,
                        URL("http://peer" + path, encoded=True),
                        headers=headers,
                        data=data,
                        allow_redirects=False,
                        timeout=ClientTimeout(
                            total=None, sock_connect=_CONNECT_SECONDS, sock_read=idle_seconds
                        ),
                    )
                finally:
                    self._heads.discard(limit)
        except TimeoutError as error:
            raise _unavailable(error) from error

    def give_up(self) -> None:
        """End the wait of those who have no answer yet."""
        for limit in self._heads:
            if not limit.expired():
                limit.reschedule(asyncio.get_running_loop().time())

    async def close_when_quiet(self) -> None:
        """Close once every answer was read."""
        try:
            await self._quiet.wait()
        finally:
            await self.close()

    async def close(self) -> None:
        """Close now."""
        await self._session.close()


def _unavailable(error: Exception) -> PeerUnavailable:
    match error:
        case TimeoutError():
            reason, text = "timeout", "a sibling process did not answer in time"
        case ClientConnectionError():
            reason, text = "gone", "a sibling process is gone"
        case _:
            reason, text = "broken", "a sibling process broke off"
    metrics.PEER_FAILURES.labels(reason).inc()
    return PeerUnavailable(text)
