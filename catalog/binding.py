"""Turns declared endpoints into aiohttp handlers: access, input, then the handler."""

from __future__ import annotations

import asyncio
import types
import typing
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

from aiohttp import web
from multidict import MultiMapping
from pydantic import BaseModel, ValidationError

from catalog import keys
from catalog.auth import authorize
from catalog.endpoints import Endpoint
from catalog.errors import BadRequest, InvalidInput, NotFound, RequestTimeout, TooLarge

Model = TypeVar("Model", bound=BaseModel)


def add_endpoints(app: web.Application, endpoints: Iterable[Endpoint]) -> None:
    """Route every endpoint; a GET also answers HEAD."""
    for declared in endpoints:
        if declared.method == "GET":
            app.router.add_get(declared.path, _bound(declared), allow_head=True)
        else:
            app.router.add_route(declared.method, declared.path, _bound(declared))


def _bound(endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        await authorize(request, endpoint.access)
        arguments: dict[str, BaseModel] = {}
        if endpoint.path_model is not None:
            arguments["path"] = _path(endpoint.path_model, request.match_info)
        if endpoint.query_model is not None:
            arguments["query"] = _query(endpoint.query_model, request.query)
        if endpoint.body_model is not None:
            arguments["body"] = await _body(endpoint.body_model, request)
        return await endpoint.handler(request, **arguments)

    return handle


def _path(model: type[Model], values: Mapping[str, str]) -> Model:
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise NotFound from error  # a path that cannot exist is one that does not


def _query(model: type[Model], values: MultiMapping[str]) -> Model:
    try:
        return model.model_validate(query_values(model, values))
    except ValidationError as error:
        raise InvalidInput(messages_of(error)) from error


async def _body(model: type[Model], request: web.Request) -> Model:
    limit = request.app[keys.SETTINGS].catalog.http.header_timeout.total_seconds()
    try:
        async with asyncio.timeout(limit):
            text = await request.read()
    except TimeoutError as error:
        raise RequestTimeout from error
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLarge from error
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        if any(item["type"] == "json_invalid" for item in error.errors(include_url=False)):
            raise BadRequest("the body is not JSON") from error
        raise InvalidInput(messages_of(error)) from error


def query_values(model: type[BaseModel], values: MultiMapping[str]) -> dict[str, Any]:
    """The values by name; lists come as ``a=1,2``, ``a=1&a=2`` or ``a[]=1``, as different apps write them."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        alias = field.alias or name
        if _is_list(field.annotation):
            texts = [*values.getall(alias, []), *values.getall(f"{alias}[]", [])]
            items = [item for text in texts for item in text.split(",") if item]
            if items:
                found[alias] = items
        elif alias in values:
            found[alias] = values[alias]
    return found


def _is_list(annotation: Any) -> bool:
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return any(_is_list(option) for option in typing.get_args(annotation))
    return origin in (list, tuple)


def messages_of(error: ValidationError) -> dict[str, list[str]]:
    """The contract's 422: messages by field, never showing the input."""
    found: dict[str, list[str]] = {}
    for item in error.errors(include_url=False, include_input=False):
        field = ".".join(str(part) for part in item["loc"]) or "body"
        cause = item.get("ctx", {}).get("error")
        found.setdefault(field, []).append(
            str(cause) if item["type"] == "value_error" and cause else item["msg"]
        )
    return found
