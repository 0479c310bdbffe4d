"""One declaration per endpoint: it checks the input, guards the access and makes the OpenAPI document."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, get_type_hints

from aiohttp import web
from pydantic import BaseModel

from catalog.answers import JSON
from catalog.errors import CatalogError

Handler = Callable[..., Awaitable[web.StreamResponse]]

# The headers of an answer and what they say, for the document.
Headers = Mapping[str, str]


class Access(Enum):
    """Who may call an endpoint."""

    ANYONE = "anyone"
    OPTIONAL = "anyone; a token that is sent must be valid"
    USER = "anyone who is logged in"
    ADMIN = "administrators"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One way an endpoint answers when all went well."""

    status: int = 200
    schema: Any = None  # a pydantic model or a list of one; None for no body
    description: str = "Done."
    headers: Headers | None = None
    media_type: str = JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method of one path with everything that is known of it."""

    method: str
    path: str
    handler: Handler
    access: Access
    tag: str
    answers: tuple[Answer, ...]
    failures: tuple[type[CatalogError], ...]
    path_model: type[BaseModel] | None
    query_model: type[BaseModel] | None
    body_model: type[BaseModel] | None
    request_type: str | None  # the media type of a body that the handler reads itself
    request_headers: Headers

    @property
    def operation_id(self) -> str:
        """The handler's name, which is unique among endpoints."""
        return self.handler.__name__

    @property
    def summary(self) -> str:
        """The first line of the handler's docstring."""
        return (inspect.getdoc(self.handler) or "").partition("\n")[0]


def endpoint(
    method: str,
    path: str,
    *,
    tag: str,
    answers: Answer | tuple[Answer, ...],
    access: Access = Access.ANYONE,
    failures: tuple[type[CatalogError], ...] = (),
    request_type: str | None = None,
    request_headers: Headers | None = None,
) -> Callable[[Handler], Endpoint]:
    """Declare a handler; its parameters ``path``, ``query`` and ``body`` name their models by annotation."""

    def declare(handler: Handler) -> Endpoint:
        hints = get_type_hints(handler)
        return Endpoint(
            method=method,
            path=path,
            handler=handler,
            access=access,
            tag=tag,
            answers=answers if isinstance(answers, tuple) else (answers,),
            failures=failures,
            path_model=hints.get("path"),
            query_model=hints.get("query"),
            body_model=hints.get("body"),
            request_type=request_type,
            request_headers=request_headers or {},
        )

    return declare
