"""The HTTP side of accounts."""

from __future__ import annotations

from aiohttp import web

from catalog import keys
from catalog.accounts import use_cases
from catalog.accounts.schemas import (
    LoginRequest,
    LoginResponse,
    LogoutResponse,
    UserCreate,
    UserResponse,
    profile,
)
from catalog.accounts.use_cases import Device
from catalog.answers import answer
from catalog.auth import bearer_token
from catalog.endpoints import Access, Answer, endpoint
from catalog.errors import (
    EmailTaken,
    LoginTaken,
    NotAllowed,
    NotLoggedIn,
    TooBusy,
    TooManyAttempts,
    WrongPassword,
)
from catalog.listing import FieldsQuery

_TAG = "accounts"


@endpoint(
    "POST",
    "/api/v1/accounts/users/auth/register",
    tag=_TAG,
    answers=Answer(status=201, schema=UserResponse, description="The new account."),
    failures=(LoginTaken, EmailTaken, TooBusy),
)
async def register(request: web.Request, body: UserCreate) -> web.Response:
    """Make an account."""
    user = await use_cases.register(
        login=body.login,
        email=body.email,
        nickname=body.nickname,
        password=body.password,
        rules=request.app[keys.ACCOUNT_RULES],
        passwords=request.app[keys.PASSWORDS],
        uow=request.app[keys.UNITS](),
        now=request.app[keys.CLOCK](),
    )
    return answer(profile(user), status=201)


@endpoint(
    "POST",
    "/api/v1/accounts/users/auth/login",
    tag=_TAG,
    answers=Answer(schema=LoginResponse, description="Logged in."),
    failures=(WrongPassword, NotAllowed, TooManyAttempts, TooBusy),
)
async def login(request: web.Request, body: LoginRequest) -> web.Response:
    """Exchange login and password for a token."""
    token = await use_cases.log_in(
        login=body.login,
        password=body.password,
        device=Device(ip=request.remote, user_agent=request.headers.get("User-Agent", "")[:512]),
        rules=request.app[keys.ACCOUNT_RULES],
        passwords=request.app[keys.PASSWORDS],
        attempts=request.app[keys.ATTEMPTS],
        uow=request.app[keys.UNITS](),
        now=request.app[keys.CLOCK](),
    )
    return answer({"token": token})


@endpoint(
    "POST",
    "/api/v1/accounts/users/auth/logout",
    tag=_TAG,
    answers=Answer(schema=LogoutResponse, description="Logged out, now or before."),
    failures=(NotLoggedIn,),
)
async def logout(request: web.Request) -> web.Response:
    """End the login of this token; a second call changes nothing."""
    token = bearer_token(request)
    if token is None:
        raise NotLoggedIn
    await use_cases.log_out(token, request.app[keys.UNITS]())
    return answer({"token": None})


@endpoint(
    "GET",
    "/api/v1/accounts/users/me/profile",
    tag=_TAG,
    access=Access.USER,
    answers=Answer(schema=UserResponse, description="The caller's own profile."),
)
async def my_profile(request: web.Request, query: FieldsQuery) -> web.Response:
    """The caller's own profile."""
    return answer(query.selection().prune(profile(request[keys.CALLER].user)))
