"""``kawa token revoke``: have a running edge, and all that share its Redis, accept tokens no more."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import click

from config.launch.commands.edge import admin_options, order_edge

_F = Callable[..., None]

_SPAN = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
_KINDS = ("token_id", "session", "subject")


class _Span(click.ParamType[int]):
    """A number with its unit, such as 30m, 12h or 7d, as seconds."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = _SPAN.fullmatch(str(value))
        if match is None:
            self.fail("a number with its unit, such as 30m, 12h or 7d", param, ctx)
        return int(match[1]) * _SECONDS[match[2]]


def _what(command: _F) -> _F:
    """The options that name a token, session or subject."""
    for option, text in (
        ("--token-id", "One token, by its jti or cti."),
        ("--session", "Every token of a session."),
        ("--subject", "Every token of a viewer."),
    ):
        command = click.option(option, help=text)(command)
    return command


@click.command("revoke")
@_what
@click.option(
    "--for", "seconds", type=_Span(), help="For how long, such as 7d; as long as one may hold."
)
@click.option(
    "--issued-before-now",
    is_flag=True,
    help="Only what was issued until now, so that the viewer can log in anew.",
)
@click.option("--reason", help="A few words for those who look at the list.")
@admin_options
def revoke(
    token_id: str | None,
    session: str | None,
    subject: str | None,
    seconds: int | None,
    issued_before_now: bool,
    reason: str | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Have no edge accept a token, session or subject any more; in force within a second."""
    body = _named(token_id, session, subject)
    if seconds is not None:
        body["until"] = int(time.time()) + seconds
    if issued_before_now:
        if token_id is not None:
            raise click.UsageError("--issued-before-now is for sessions and subjects")
        body["issued_before"] = "now"
    if reason is not None:
        body["reason"] = reason
    found = order_edge("POST", "/revoke", url, body)
    until = found.get("revoked", {}).get("until", 0)
    _say(found, f"revoked until {datetime.fromtimestamp(until, UTC).isoformat()}", as_json=as_json)


@click.command("unrevoke")
@_what
@admin_options
def unrevoke(
    token_id: str | None,
    session: str | None,
    subject: str | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Have what was revoked accepted again."""
    found = order_edge("POST", "/unrevoke", url, _named(token_id, session, subject))
    _say(found, "no longer revoked", as_json=as_json)


@click.command("revocations")
@click.option("--kind", type=click.Choice(_KINDS), help="List these; only count them if none.")
@click.option("--after", help="Go on after this one.")
@admin_options
def revocations(kind: str | None, after: str | None, url: str | None, as_json: bool) -> None:
    """Show what a running edge knows to be revoked."""
    pairs = {"kind": kind, "after": after}
    query = urlencode({name: value for name, value in pairs.items() if value is not None})
    found = order_edge("GET", f"/revocations?{query}", url)
    if as_json:
        click.echo(json.dumps(found))
        return
    if kind is None:
        for name, count in found.get("in_force", {}).items():
            click.echo(f"{name:<12} {count}")
        return
    for held in found.get("revocations", []):
        until = datetime.fromtimestamp(held["until"], UTC).isoformat()
        click.echo(f"{held[kind]}  until {until}  {held.get('reason', '')}".rstrip())
    if "next" in found:
        click.echo(f"kawa: there are more; go on with --after {found['next']}", err=True)


def _named(token_id: str | None, session: str | None, subject: str | None) -> dict[str, Any]:
    pairs = zip(_KINDS, (token_id, session, subject), strict=True)
    body: dict[str, Any] = {kind: value for kind, value in pairs if value is not None}
    if len(body) != 1:
        raise click.UsageError("say one of --token-id, --session, --subject")
    return body


def _say(found: dict[str, Any], text: str, *, as_json: bool) -> None:
    told = found.get("told", {})
    click.echo(json.dumps(found) if as_json else text)
    late = []
    if told.get("missed"):
        late.append(f"not reached, told when they are back: {', '.join(told['missed'])}")
    if told.get("other_edges") == "queued":
        late.append("other edges are told when Redis is back")
    if not told.get("kept", True):
        late.append("not on the edge's disk: it would be forgotten with the edge's end")
    for line in late:
        click.echo(f"kawa: {line}", err=True)
    if late:
        raise SystemExit(1)
