"""The SQL of accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog.accounts.domain import MAX_SESSIONS_PER_USER, Session, User, identity_key
from catalog.errors import EmailTaken, LoginTaken
from catalog.ids import new_id
from catalog.tables import sessions, users

_USER = (
    users.c.id,
    users.c.public_id,
    users.c.login,
    users.c.email,
    users.c.nickname,
    users.c.password_hash,
    users.c.is_banned,
    users.c.created_at,
)


class SqlUsers:
    """Accounts in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(
        self, *, id: UUID, login: str, email: str, nickname: str, password_hash: str, now: datetime
    ) -> User:
        statement = (
            insert(users)
            .values(
                id=id,
                login=login,
                login_key=identity_key(login),
                email=email,
                email_key=identity_key(email),
                nickname=nickname,
                password_hash=password_hash,
                created_at=now,
                updated_at=now,
            )
            .returning(*_USER)
        )
        try:
            row = (await self._connection.execute(statement)).one()
        except IntegrityError as error:
            text = str(error.orig)
            if "users_login_key_key" in text:
                raise LoginTaken from error
            if "users_email_key_key" in text:
                raise EmailTaken from error
            raise
        return _user(row)

    async def by_login(self, login: str) -> User | None:
        return await self._one(users.c.login_key == identity_key(login))

    async def by_email(self, email: str) -> User | None:
        return await self._one(users.c.email_key == identity_key(email))

    async def set_password(self, user_id: UUID, password_hash: str) -> None:
        await self._connection.execute(
            update(users).where(users.c.id == user_id).values(password_hash=password_hash)
        )

    async def _one(self, condition: Any) -> User | None:
        row = (await self._connection.execute(select(*_USER).where(condition))).one_or_none()
        return None if row is None else _user(row)


class SqlSessions:
    """Logins in PostgreSQL."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

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
        surplus = (
            select(sessions.c.id)
            .where(sessions.c.user_id == user_id)
            .order_by(sessions.c.last_active_at.desc())
            .offset(MAX_SESSIONS_PER_USER - 1)
        )
        await self._connection.execute(delete(sessions).where(sessions.c.id.in_(surplus)))
        await self._connection.execute(
            insert(sessions).values(
                id=new_id(),
                token_hash=token_hash,
                user_id=user_id,
                ip=ip,
                user_agent=user_agent,
                created_at=now,
                last_active_at=now,
                expires_at=expires_at,
            )
        )

    async def by_token_hash(self, token_hash: bytes) -> Session | None:
        statement = (
            select(
                sessions.c.id.label("session_id"),
                sessions.c.last_active_at,
                sessions.c.expires_at,
                *_USER,
            )
            .join(users, users.c.id == sessions.c.user_id)
            .where(sessions.c.token_hash == token_hash)
        )
        row = (await self._connection.execute(statement)).one_or_none()
        if row is None:
            return None
        return Session(
            id=row.session_id,
            user=_user(row),
            last_active_at=row.last_active_at,
            expires_at=row.expires_at,
        )

    async def touch(self, session_id: UUID, *, now: datetime) -> None:
        await self._connection.execute(
            update(sessions).where(sessions.c.id == session_id).values(last_active_at=now)
        )

    async def remove(self, token_hash: bytes) -> None:
        await self._connection.execute(delete(sessions).where(sessions.c.token_hash == token_hash))

    async def remove_all(self, user_id: UUID) -> None:
        await self._connection.execute(delete(sessions).where(sessions.c.user_id == user_id))

    async def remove_ended(self, *, now: datetime, idle_before: datetime) -> int:
        result = await self._connection.execute(
            delete(sessions).where(
                or_(sessions.c.expires_at <= now, sessions.c.last_active_at <= idle_before)
            )
        )
        return result.rowcount


def _user(row: Row[*tuple[Any, ...]]) -> User:
    return User(
        id=row.id,
        public_id=row.public_id,
        login=row.login,
        email=row.email,
        nickname=row.nickname,
        password_hash=row.password_hash,
        is_banned=row.is_banned,
        created_at=row.created_at,
    )
