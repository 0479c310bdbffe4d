"""Whether the catalog lives, is ready, and what its contract looks like."""

from __future__ import annotations

from aiohttp import web
from pydantic import BaseModel

from catalog import keys
from catalog.answers import answer
from catalog.endpoints import Answer, endpoint

_TAG = "app"


class Alive(BaseModel):
    alive: bool


class Ready(BaseModel):
    ready: bool
    failing: list[str]


class StatusRequest(BaseModel):
    ip: str | None
    country: str | None
    iso_code: str | None
    timezone: str | None


class StatusResponse(BaseModel):
    request: StatusRequest
    is_alive: bool
    available_api_endpoints: list[str]


@endpoint("GET", "/health/live", tag=_TAG, answers=Answer(schema=Alive, description="It runs."))
async def live(_request: web.Request) -> web.Response:
    """Whether the program runs."""
    return answer({"alive": True})


@endpoint(
    "GET",
    "/health/ready",
    tag=_TAG,
    answers=(
        Answer(schema=Ready, description="Send requests."),
        Answer(status=503, schema=Ready, description="Send no requests: something is missing."),
    ),
)
async def ready(request: web.Request) -> web.Response:
    """Whether the program wants requests."""
    failing = await request.app[keys.READINESS].failing()
    return answer({"ready": not failing, "failing": failing}, status=503 if failing else 200)


@endpoint(
    "GET",
    "/api/v1/app/status",
    tag=_TAG,
    answers=Answer(schema=StatusResponse, description="What apps ask before anything else."),
)
async def status(request: web.Request) -> web.Response:
    """That the API is here, and from where the caller comes."""
    return answer(
        {
            "request": {
                "ip": request.remote,
                "country": None,
                "iso_code": None,
                "timezone": None,
            },
            "is_alive": True,
            "available_api_endpoints": [],
        }
    )


@endpoint("GET", "/openapi.json", tag=_TAG, answers=Answer(description="An OpenAPI 3.1 document."))
async def openapi(request: web.Request) -> web.Response:
    """This API's description."""
    return answer(request.app[keys.OPENAPI], headers={"Cache-Control": "public, max-age=300"})
