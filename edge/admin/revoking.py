"""What operators say about revoked tokens, sessions and subjects on the admin listener."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiohttp import web

from config.contracts.revocations import LONGEST_VALUE, NotARevocation, checked_kind
from config.runtime.logging import get_logger
from edge.errors import BadRevocation
from edge.tokens.revocation.control import Outcome, RevocationControl
from edge.tokens.revocation.orders import Lift, Revoke

log = get_logger(__name__)

_MOST_LISTED = 1000
_LISTED = 100


class Revoking:
    """Handlers over the parent's ``RevocationControl``."""

    def __init__(self, control: RevocationControl) -> None:
        self._control = control

    async def revoke(self, request: web.Request) -> web.Response:
        """POST: one of token_id, session, subject; until, issued_before and reason if wanted."""
        with _as_refusals():
            order = Revoke.parse(await request.read(), now=time.time())
        outcome = await self._control.revoke(order)
        # An identifier is no token: nobody can play with it.
        log.info("audit", action="revoke", client=request.remote, **_said(outcome))
        return _answer("revoked", outcome)

    async def unrevoke(self, request: web.Request) -> web.Response:
        """POST: one of token_id, session, subject."""
        with _as_refusals():
            order = Lift.parse(await request.read())
        outcome = await self._control.lift(order)
        log.info("audit", action="unrevoke", client=request.remote, **_said(outcome))
        return _answer("lifted", outcome)

    async def list(self, request: web.Request) -> web.Response:
        """GET: how many there are, and with ``kind`` those of it, page by page."""
        query = request.query
        answer: dict[str, Any] = {"in_force": self._control.counts()}
        if "kind" in query:
            with _as_refusals():
                kind = checked_kind(query["kind"])
            after = query.get("after", "")
            size = query.get("limit", str(_LISTED))
            if not size.isdecimal() or not 1 <= int(size[:5]) <= _MOST_LISTED:
                raise BadRevocation(f"limit is a number from 1 to {_MOST_LISTED}")
            if len(after) > LONGEST_VALUE:
                raise BadRevocation("after is what the page before ended with")
            page = self._control.page(kind, after=after, size=int(size))
            answer["revocations"] = [held.to_json() for held in page]
            if len(page) == int(size):
                answer["next"] = page[-1].value
        return web.json_response(answer)


@contextmanager
def _as_refusals() -> Iterator[None]:
    try:
        yield
    except NotARevocation as error:
        raise BadRevocation(str(error)) from error


def _said(outcome: Outcome) -> dict[str, Any]:
    held = outcome.revocation
    return {"kind": held.kind, "value": held.value, "until": held.until, "reason": held.reason}


def _answer(name: str, outcome: Outcome) -> web.Response:
    told = {
        "workers": outcome.workers,
        "missed": outcome.missed,
        "other_edges": outcome.others,
        "kept": outcome.kept,
    }
    body = {name: outcome.revocation.to_json(), "told": told}
    return web.json_response(body, status=200 if outcome.everywhere else 202)
