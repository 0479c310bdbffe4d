"""Speaks to a running edge's admin listener for the command line."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from config.launch.errors import CommandFailed
from config.settings.load import Settings

# A reload waits until every worker was replaced, one after another.
_LONGEST_SECONDS = 300.0
_MOST_BYTES = 16 * 2**20


class EdgeRefused(CommandFailed):
    """The edge cannot be reached or did not do it; the message is the edge's own."""


async def order(
    settings: Settings,
    method: str,
    path: str,
    *,
    edge: str | None,
    body: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The edge's answer; ``edge`` is its admin listener's URL, else this machine's own."""
    url = (edge or admin_url(settings)).rstrip("/")
    edge_settings = settings.edge
    token = edge_settings.admin_token
    if token is None and path.startswith("/sessions"):
        token = edge_settings.sessions_token
    headers = {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}
    timeout = ClientTimeout(total=_LONGEST_SECONDS, sock_connect=5)
    try:
        async with (
            ClientSession(timeout=timeout, headers=headers) as session,
            session.request(method, url + path, json=body, allow_redirects=False) as answer,
        ):
            text = await answer.content.read(_MOST_BYTES)
            status = answer.status
    except (ClientError, OSError, TimeoutError) as error:
        raise EdgeRefused(
            f"no edge answers at {url}: {str(error) or 'no answer in time'}"
        ) from error
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise EdgeRefused(f"{url} is not the admin listener of an edge (status {status})")
    if status >= 300:
        raise EdgeRefused(str(found.get("message", f"status {status}")))
    return found


def admin_url(settings: Settings) -> str:
    """The admin listener of the edge that these settings describe."""
    at = settings.edge.admin
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(at.host, at.host)
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{at.port}"
