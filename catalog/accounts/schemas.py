"""What accounts look like from outside."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, StringConstraints

from catalog.accounts.domain import (
    MAX_PASSWORD_CHARS,
    User,
    checked_email,
    checked_login,
    checked_password,
)
from catalog.schemas import Image, image

NewLogin = Annotated[str, StringConstraints(max_length=256), AfterValidator(checked_login)]
NewEmail = Annotated[str, StringConstraints(max_length=512), AfterValidator(checked_email)]
NewPassword = Annotated[str, StringConstraints(max_length=4096), AfterValidator(checked_password)]


class UserCreate(BaseModel):
    login: NewLogin
    email: NewEmail
    password: NewPassword
    nickname: NewLogin | None = None


class LoginRequest(BaseModel):
    login: Annotated[str, StringConstraints(min_length=1, max_length=254)] = Field(
        description="The login or the e-mail address."
    )
    password: Annotated[str, StringConstraints(min_length=1, max_length=MAX_PASSWORD_CHARS)]


class LoginResponse(BaseModel):
    token: str = Field(description="Send it as Authorization: Bearer.")


class LogoutResponse(BaseModel):
    token: None


class UserTorrents(BaseModel):
    passkey: str | None
    uploaded: int
    downloaded: int


class UserResponse(BaseModel):
    id: int
    login: str
    email: str
    nickname: str
    avatar: Image
    torrents: UserTorrents
    is_banned: bool
    created_at: str
    is_with_ads: bool


def profile(user: User) -> dict[str, Any]:
    """A user's own profile; apps expect objects where nothing is known yet, never null."""
    return {
        "id": user.public_id,
        "login": user.login,
        "email": user.email,
        "nickname": user.nickname,
        "avatar": image(None),
        "torrents": {"passkey": None, "uploaded": 0, "downloaded": 0},
        "is_banned": user.is_banned,
        "created_at": user.created_at.isoformat(timespec="seconds"),
        "is_with_ads": False,
    }
