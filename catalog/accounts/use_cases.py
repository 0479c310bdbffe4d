"""What can be done with accounts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from catalog import metrics
from catalog.accounts.domain import (
    Caller,
    User,
    checked_login,
    checked_password,
    identity_key,
    new_token,
    token_hash,
)
from catalog.accounts.ports import Attempts, Passwords, UnitOfWork
from catalog.errors import LoginTaken, NotAllowed, NotLoggedIn, TooManyAttempts, WrongPassword
from catalog.ids import new_id


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRules:
    """The settings that accounts follow."""

    admin_login: str | None
    session_idle: timedelta
    session_lifetime: timedelta

    def is_reserved(self, login: str) -> bool:
        """Whether this login would make an administrator."""
        return self.admin_login is not None and identity_key(login) == identity_key(
            self.admin_login
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Where a login came from."""

    ip: str | None
    user_agent: str


async def register(
    *,
    login: str,
    email: str,
    nickname: str | None,
    password: str,
    rules: AccountRules,
    passwords: Passwords,
    uow: UnitOfWork,
    now: datetime,
) -> User:
    """Make an account, or raise ``LoginTaken`` or ``EmailTaken``."""
    # Whoever came first would be the administrator: that account is made by ``bootstrap`` only.
    if rules.is_reserved(login):
        raise LoginTaken
    password_hash = await passwords.hash(password)
    async with uow:
        user = await uow.users.add(
            id=new_id(),
            login=login,
            email=email,
            nickname=nickname or login,
            password_hash=password_hash,
            now=now,
        )
        await uow.commit()
    return user


async def log_in(
    *,
    login: str,
    password: str,
    device: Device,
    rules: AccountRules,
    passwords: Passwords,
    attempts: Attempts,
    uow: UnitOfWork,
    now: datetime,
) -> str:
    """A new token, or ``WrongPassword`` or ``TooManyAttempts``; takes as long for an unknown login."""
    account = identity_key(login)
    if wait := await attempts.take(account=account, ip=device.ip):
        metrics.LOGINS.labels("limited").inc()
        raise TooManyAttempts(wait)
    async with uow:
        user = await _find(login, uow)
    good, new_hash = await passwords.verify(password, user.password_hash if user else None)
    if user is None or not good:
        await attempts.failed(ip=device.ip)
        metrics.LOGINS.labels("refused").inc()
        raise WrongPassword
    await attempts.forgive(account=account)
    if user.is_banned:
        metrics.LOGINS.labels("banned").inc()
        raise NotAllowed("this account is banned")
    token = new_token()
    async with uow:
        if new_hash is not None:
            await uow.users.set_password(user.id, new_hash)
        await uow.sessions.add(
            token_hash=_hash_of(token),
            user_id=user.id,
            ip=device.ip,
            user_agent=device.user_agent,
            now=now,
            expires_at=now + rules.session_lifetime,
        )
        await uow.commit()
    metrics.LOGINS.labels("accepted").inc()
    return token


async def log_out(token: str, uow: UnitOfWork) -> None:
    """End the token's session; one that has ended is fine."""
    hashed = token_hash(token)
    if hashed is None:
        return
    async with uow:
        await uow.sessions.remove(hashed)
        await uow.commit()


async def caller_of(token: str, *, rules: AccountRules, uow: UnitOfWork, now: datetime) -> Caller:
    """Whose token this is, or ``NotLoggedIn``."""
    hashed = token_hash(token)
    if hashed is None:
        raise NotLoggedIn
    async with uow:
        session = await uow.sessions.by_token_hash(hashed)
        if session is None or session.is_over(now=now, idle=rules.session_idle):
            raise NotLoggedIn
        if session.is_stale(now=now):
            await uow.sessions.touch(session.id, now=now)
            await uow.commit()
    return Caller(user=session.user, is_admin=session.user.has_login(rules.admin_login))


async def ensure_account(
    *, login: str, email: str, password: str, passwords: Passwords, uow: UnitOfWork, now: datetime
) -> bool:
    """Afterwards ``login`` exists and opens with ``password``; whether anything had to change."""
    login, password = checked_login(login), checked_password(password)
    async with uow:
        user = await uow.users.by_login(login)
    if user is None:
        password_hash = await passwords.hash(password)
        async with uow:
            await uow.users.add(
                id=new_id(),
                login=login,
                email=email,
                nickname=login,
                password_hash=password_hash,
                now=now,
            )
            await uow.commit()
        return True
    good, _ = await passwords.verify(password, user.password_hash)
    if good:
        return False
    password_hash = await passwords.hash(password)
    async with uow:
        await uow.users.set_password(user.id, password_hash)
        await uow.sessions.remove_all(user.id)
        await uow.commit()
    return True


async def forget_ended_sessions(*, rules: AccountRules, uow: UnitOfWork, now: datetime) -> int:
    """Remove sessions that no longer count; the number of them."""
    async with uow:
        count = await uow.sessions.remove_ended(now=now, idle_before=now - rules.session_idle)
        await uow.commit()
    return count


async def _find(login: str, uow: UnitOfWork) -> User | None:
    return await (uow.users.by_email(login) if "@" in login else uow.users.by_login(login))


def _hash_of(token: str) -> bytes:
    hashed = token_hash(token)
    if hashed is None:
        raise ValueError("not a token of ours")
    return hashed
