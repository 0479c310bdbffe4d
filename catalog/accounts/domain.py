"""The rules of accounts: what a login is, when two are the same, and when a session ends."""

from __future__ import annotations

import hashlib
import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

MAX_LOGIN_CHARS = 64
MAX_EMAIL_CHARS = 254  # RFC 5321 section 4.5.3.1.3, less the angle brackets
MAX_PASSWORD_CHARS = 256
MIN_PASSWORD_CHARS = 8
MAX_SESSIONS_PER_USER = 50

_TOKEN_PREFIX = "cat_"  # noqa: S105 - a prefix is no secret
_TOKEN = re.compile(r"cat_[A-Za-z0-9_-]{43}\Z")  # 256 bits
_LOGIN = re.compile(r"[\w.\-]+( [\w.\-]+)*\Z")
# Deliberately coarse: whether mail arrives is only known by sending some.
_EMAIL = re.compile(r"[^@\s<>\"(),:;\\]{1,64}@[^@\s.]+(\.[^@\s.]+)+\Z")

# How stale ``last_active_at`` may be: one write a minute and session, not one a request.
ACTIVITY_GRAIN = timedelta(minutes=1)


def identity_key(text: str) -> str:
    """What makes two logins or addresses the same: compatibility forms and case are folded away."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", folded)  # folding can undo the first normalisation


def checked_login(text: str) -> str:
    """A login in its normal form, or ``ValueError``."""
    login = unicodedata.normalize("NFKC", text).strip()
    if not 3 <= len(login) <= MAX_LOGIN_CHARS:
        raise ValueError(f"must have 3 to {MAX_LOGIN_CHARS} characters")
    if not _LOGIN.match(login):
        raise ValueError("may have letters, digits, '.', '-', '_' and single spaces inside")
    return login


def checked_email(text: str) -> str:
    """An address in its normal form, or ``ValueError``."""
    email = unicodedata.normalize("NFKC", text).strip()
    if len(email) > MAX_EMAIL_CHARS or not _EMAIL.match(email) or not email.isprintable():
        raise ValueError("is not an e-mail address")
    return email


def checked_password(text: str) -> str:
    """A new password as it is, or ``ValueError``."""
    if not MIN_PASSWORD_CHARS <= len(text) <= MAX_PASSWORD_CHARS:
        raise ValueError(f"must have {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters")
    if len(set(text)) < 3:
        raise ValueError("is too simple")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """An account as the rules see it."""

    id: UUID
    public_id: int
    login: str
    email: str
    nickname: str
    password_hash: str
    is_banned: bool
    created_at: datetime

    def has_login(self, login: str | None) -> bool:
        """Whether this account has the given login, in any writing."""
        return login is not None and identity_key(self.login) == identity_key(login)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One login of one user."""

    id: UUID
    user: User
    last_active_at: datetime
    expires_at: datetime

    def is_over(self, *, now: datetime, idle: timedelta) -> bool:
        """Whether the token no longer counts: too old, too long unused, or its user banned."""
        return now >= self.expires_at or now - self.last_active_at >= idle or self.user.is_banned

    def is_stale(self, *, now: datetime) -> bool:
        """Whether the last activity is worth writing down again."""
        return now - self.last_active_at >= ACTIVITY_GRAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who makes this request."""

    user: User
    is_admin: bool


def new_token() -> str:
    """A login token that nobody can guess."""
    return _TOKEN_PREFIX + secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes | None:
    """What is stored of a token, ``None`` for what cannot be one; a fast hash is right for 256 random bits."""
    if not _TOKEN.match(token):
        return None
    return hashlib.sha256(token.encode()).digest()
