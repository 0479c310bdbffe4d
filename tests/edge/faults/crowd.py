"""Many clients at once, cheaply: a socket each, and a count of the bytes that came."""

from __future__ import annotations

import asyncio
import hashlib
import resource
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Crowd:
    """Clients that ask for one path over a connection each, and what each of them got."""

    port: int
    path: str
    clients: list[Client] = field(default_factory=list)

    async def ask(self, count: int) -> None:
        """Let them all connect and ask."""
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        loop = asyncio.get_running_loop()
        for start in range(0, count, 500):
            made = await asyncio.gather(
                *(
                    loop.create_connection(lambda: Client(self.path), "127.0.0.1", self.port)
                    for _ in range(min(500, count - start))
                )
            )
            self.clients += [client for _, client in made]

    async def answers(self, *, seconds: float) -> Counter[tuple[int, str]]:
        """How often which status and body came, when all have ended."""
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(client.ended for client in self.clients))
        return Counter(client.answer() for client in self.clients)

    def close(self) -> None:
        for client in self.clients:
            client.leave()


class Client(asyncio.Protocol):
    """One of them."""

    def __init__(self, path: str) -> None:
        self._request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        self._head = b""
        self._digest = hashlib.blake2b(digest_size=16)
        self._transport: asyncio.Transport | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.length = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request.encode())

    def data_received(self, data: bytes) -> None:
        if b"\r\n\r\n" not in self._head:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            self._head = head + found
        self.length += len(data)
        self._digest.update(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def leave(self) -> None:
        """Hang up, with RST if bytes are still unread."""
        if self._transport is not None:
            self._transport.abort()

    def answer(self) -> tuple[int, str]:
        status = int(self._head.split(b" ", 2)[1]) if self._head else 0
        return status, self._digest.hexdigest()


def digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()
