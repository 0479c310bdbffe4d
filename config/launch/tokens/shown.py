"""A grant, or a refusal, as ``kawa token verify`` prints it."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from config.contracts.grants import Grant


def grant_to_json(grant: Grant) -> dict[str, Any]:
    """Every field of a grant; times are seconds since the epoch."""
    return {
        "scheme": grant.scheme,
        "subject": grant.subject,
        "session": grant.session,
        "issuer": grant.issuer,
        "token_id": grant.token_id,
        "key_id": grant.key_id,
        "not_before": grant.not_before,
        "expires_at": grant.expires_at,
        "is_exact": grant.is_exact,
        "path_prefixes": list(grant.path_prefixes),
        "rules": [rule.to_json() for rule in grant.rules],
        "max_height": grant.max_height,
        "max_bitrate": grant.max_bitrate,
        "languages": list(grant.languages),
        "stream_limit": grant.stream_limit,
        "renewal": None if grant.renewal is None else asdict(grant.renewal),
        "once": grant.once,
        "ads": grant.ads,
        "debug": grant.debug,
    }


def grant_to_text(grant: Grant) -> str:
    """What of a grant says something, a line each."""
    lines = [f"good: {grant.scheme}"]
    for name, value in grant_to_json(grant).items():
        if name == "scheme" or value in (None, "", False) or value == []:
            continue
        if name in ("not_before", "expires_at"):
            shown = datetime.fromtimestamp(value, UTC).isoformat() if value else "always"
        else:
            shown = value if isinstance(value, str) else json.dumps(value)
        lines.append(f"  {name:<13} {shown}")
    return "\n".join(lines)
