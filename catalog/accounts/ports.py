"""What the use cases of accounts need from outside."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import Protocol, Self
from uuid import UUID

from catalog.accounts.domain import Session, User


class Users(Protocol):
    async def add(
        self, *, id: UUID, login: str, email: str, nickname: str, password_hash: str, now: datetime
    ) -> User:
        """Store a new account, or raise ``LoginTaken`` or ``EmailTaken``."""
        ...

    async def by_login(self, login: str) -> User | None: ...

    async def by_email(self, email: str) -> User | None: ...

    async def set_password(self, user_id: UUID, password_hash: str) -> None: ...


class Sessions(Protocol):
    async def add(
        self,
        *,
        token_hash: bytes,
        user_id: UUID,
        ip: str | None,
        user_agent: str,
        now: datetime,
        expires_at: datetime,
    ) -> None:
        """Open a session; the user's oldest ones beyond the limit end."""
        ...

    async def by_token_hash(self, token_hash: bytes) -> Session | None: ...

    async def touch(self, session_id: UUID, *, now: datetime) -> None: ...

    async def remove(self, token_hash: bytes) -> None: ...

    async def remove_all(self, user_id: UUID) -> None: ...

    async def remove_ended(self, *, now: datetime, idle_before: datetime) -> int:
        """Forget sessions that no longer count; the number of them."""
        ...


class UnitOfWork(Protocol):
    """One transaction: leave the block without ``commit`` and nothing happened."""

    users: Users
    sessions: Sessions

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    async def commit(self) -> None: ...


class Passwords(Protocol):
    async def hash(self, password: str) -> str: ...

    async def verify(self, password: str, stored: str | None) -> tuple[bool, str | None]:
        """Whether they match, and a new hash if the stored one is out of date; ``None`` takes as long."""
        ...


class Attempts(Protocol):
    async def take(self, *, account: str, ip: str | None) -> int | None:
        """Use up one attempt of the account; the seconds to wait when it or the address has none left."""
        ...

    async def failed(self, *, ip: str | None) -> None:
        """The attempt was a bad one: the address has one less."""
        ...

    async def forgive(self, *, account: str) -> None:
        """The attempt was a good one: the account starts anew."""
        ...
