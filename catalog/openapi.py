"""The OpenAPI 3.1 document, made from the same declarations that check the requests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID

from openapi_pydantic import (
    OpenAPI,
    Operation,
    Parameter,
    PathItem,
    RequestBody,
    Response,
)
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from catalog.answers import JSON
from catalog.endpoints import Access, Answer, Endpoint
from catalog.errors import (
    BadRequest,
    CatalogError,
    DatabaseUnavailable,
    InvalidInput,
    NotAllowed,
    NotLoggedIn,
    RequestTimeout,
    TooLarge,
    TooManyStreams,
)
from config.contracts.sessions import DeviceClass

VERSION = "1"
_REF = "#/components/schemas/{model}"
_SECURITY = {"login": {"type": "http", "scheme": "bearer", "description": "The token of a login."}}


class Error(BaseModel):
    """What went wrong, for a person and for a program."""

    message: str
    code: str


class PlayingStream(BaseModel):
    """One of the account's running streams."""

    id: str
    media_id: UUID | None
    device: DeviceClass
    started_at: datetime


class StreamsError(Error):
    """What went wrong; with too-many-streams, also which they are."""

    playing: list[PlayingStream] = []


class ValidationErrors(BaseModel):
    """What is wrong with which field."""

    errors: dict[str, list[str]]


# Failures that say more than what went wrong.
_BODIES: dict[type[CatalogError], type[BaseModel]] = {
    InvalidInput: ValidationErrors,
    TooManyStreams: StreamsError,
}


def document_of(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """The whole document as plain JSON."""
    declared = list(endpoints)
    schemas = _schemas(declared)
    paths: dict[str, dict[str, Operation]] = {}
    for endpoint in declared:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    document = OpenAPI.model_validate(
        {
            "openapi": "3.1.1",
            "info": {"title": "Kawa catalog", "version": VERSION},
            "paths": {path: PathItem.model_validate(item) for path, item in paths.items()},
            "components": {"schemas": schemas, "securitySchemes": _SECURITY},
            "tags": [{"name": tag} for tag in dict.fromkeys(item.tag for item in declared)],
        }
    )
    # Unset is not the same as the default here: a default that is written out can be a mistake in its place.
    return document.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True)


def _schemas(endpoints: list[Endpoint]) -> dict[str, Any]:
    modes: dict[tuple[type[BaseModel], Any], None] = {
        (Error, "serialization"): None,
        (StreamsError, "serialization"): None,
        (ValidationErrors, "serialization"): None,
    }
    for endpoint in endpoints:
        if endpoint.body_model is not None:
            modes[endpoint.body_model, "validation"] = None
        for answer in endpoint.answers:
            if isinstance(answer.schema, type) and issubclass(answer.schema, BaseModel):
                modes[answer.schema, "serialization"] = None
            elif answer.schema is not None:
                (item,) = answer.schema.__args__
                modes[item, "serialization"] = None
    _, definitions = models_json_schema(list(modes), ref_template=_REF)
    return dict(definitions["$defs"])


def _operation(endpoint: Endpoint) -> Operation:
    return Operation.model_validate(
        {
            "operationId": endpoint.operation_id,
            "summary": endpoint.summary,
            "tags": [endpoint.tag],
            "parameters": [
                *_parameters(endpoint.path_model, "path"),
                *_parameters(endpoint.query_model, "query"),
                *_request_headers(endpoint),
            ]
            or None,
            "requestBody": _request_body(endpoint),
            "responses": _responses(endpoint),
            "security": _security(endpoint.access),
        }
    )


def _security(access: Access) -> list[dict[str, list[str]]]:
    login: dict[str, list[str]] = {"login": []}
    return {Access.ANYONE: [], Access.OPTIONAL: [{}, login]}.get(access, [login])


def _parameters(model: type[BaseModel] | None, place: str) -> list[Parameter]:
    if model is None:
        return []
    schema = model.model_json_schema(by_alias=True, ref_template=_REF)
    definitions = schema.get("$defs", {})
    return [
        Parameter.model_validate(
            {
                "name": name,
                "in": place,
                "required": place == "path" or name in schema.get("required", ()),
                "description": part.get("description"),
                "schema": _inline(part, definitions),
            }
        )
        for name, part in schema["properties"].items()
    ]


def _inline(schema: Any, definitions: dict[str, Any]) -> Any:
    """A parameter's schema without references: enumerations are written out in place."""
    if isinstance(schema, dict):
        if reference := schema.get("$ref"):
            return _inline(definitions[reference.rpartition("/")[2]], definitions)
        return {name: _inline(part, definitions) for name, part in schema.items()}
    if isinstance(schema, list):
        return [_inline(part, definitions) for part in schema]
    return schema


def _request_headers(endpoint: Endpoint) -> list[Parameter]:
    return [
        Parameter.model_validate(
            {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
        )
        for name, text in endpoint.request_headers.items()
    ]


def _request_body(endpoint: Endpoint) -> RequestBody | None:
    if endpoint.body_model is not None:
        content: dict[str, Any] = {JSON: {"schema": _reference(endpoint.body_model)}}
    elif endpoint.request_type is not None:
        content = {endpoint.request_type: {"schema": {}}}
    else:
        return None
    return RequestBody.model_validate({"required": True, "content": content})


def _responses(endpoint: Endpoint) -> dict[str, Response]:
    found = {str(answer.status): _answer(answer) for answer in endpoint.answers}
    by_status: dict[int, list[type[CatalogError]]] = {}
    for failure in _failures(endpoint):
        by_status.setdefault(failure.status, []).append(failure)
    for status, failures in sorted(by_status.items()):
        if str(status) in found:
            continue  # an answer of its own, as that of the health check
        model = next((_BODIES[failure] for failure in failures if failure in _BODIES), Error)
        codes = ", ".join(dict.fromkeys(failure.code for failure in failures))
        found[str(status)] = Response.model_validate(
            {
                "description": f"{_phrase(status)}: {codes}",
                "content": {JSON: {"schema": _reference(model)}},
            }
        )
    return found


def _failures(endpoint: Endpoint) -> list[type[CatalogError]]:
    found = list(endpoint.failures)
    if endpoint.access is not Access.ANYONE:
        found.append(NotLoggedIn)
    if endpoint.access is Access.ADMIN:
        found.append(NotAllowed)
    if endpoint.query_model is not None or endpoint.body_model is not None:
        found.append(InvalidInput)
    if endpoint.body_model is not None:
        found += [BadRequest, RequestTimeout, TooLarge]
    found += [DatabaseUnavailable, CatalogError]
    return found


def _answer(answer: Answer) -> Response:
    content = None
    if answer.schema is not None:
        content = {answer.media_type: {"schema": _reference(answer.schema)}}
    headers = {
        name: {"description": text, "schema": {"type": "string"}}
        for name, text in (answer.headers or {}).items()
    }
    return Response.model_validate(
        {"description": answer.description, "content": content, "headers": headers or None}
    )


def _reference(schema: Any) -> dict[str, Any]:
    if isinstance(schema, type) and issubclass(schema, BaseModel):
        return {"$ref": _REF.format(model=schema.__name__)}
    (item,) = schema.__args__
    return {"type": "array", "items": _reference(item)}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Failed"
