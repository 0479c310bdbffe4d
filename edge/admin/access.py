"""Who may change something on the admin listener."""

from __future__ import annotations

import hmac
import ipaddress

from aiohttp import hdrs, web
from pydantic import SecretStr

# Without a token only this machine's own clients are let in: not what a proxy passes on for others, and not a web page
# in a browser here, which says by Origin where it came from, or reaches us under a name of its own (DNS rebinding).
_PASSED_ON = (hdrs.FORWARDED, hdrs.X_FORWARDED_FOR, hdrs.VIA, hdrs.ORIGIN)


def refusal_of(request: web.Request, *tokens: SecretStr | None) -> str | None:
    """Why this client may do nothing here, or None; each of ``tokens`` that is set opens it."""
    wanted = [f"Bearer {token.get_secret_value()}".encode() for token in tokens if token]
    if wanted:
        given = request.headers.get(hdrs.AUTHORIZATION, "").encode("utf-8", "surrogateescape")
        # Each is compared, so that the time says nothing of which one was nearer.
        if any([hmac.compare_digest(given, one) for one in wanted]):  # noqa: C419
            return None
        return "this needs the admin token as Authorization: Bearer"
    if not _is_loopback(request.remote or ""):
        return "only clients of this machine, or with the admin token (edge.admin_token)"
    if any(name in request.headers for name in _PASSED_ON) or not _is_own_name(request.host):
        return "not through a proxy or a web page, unless with the admin token (edge.admin_token)"
    return None


def _is_loopback(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    return bool((mapped or ip).is_loopback)


def _is_own_name(host: str) -> bool:
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    return name == "localhost" or _is_loopback(name.strip("[]"))
