"""``kawa sessions``: who watches at a running edge, and an end to it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import click

from config.launch.commands.edge import admin_options, order_edge


@click.group()
def sessions() -> None:
    """The streams that a running edge gives: list, show, kick, forget."""


@sessions.command("list")
@click.option("--subject", help="Only those of this viewer.")
@click.option("--content", help="Only those of what lies under this path, such as /vod/title/.")
@click.option("--after", help="Go on after this one.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@admin_options
def sessions_list(
    subject: str | None,
    content: str | None,
    after: str | None,
    limit: int,
    url: str | None,
    as_json: bool,
) -> None:
    """List running streams."""
    pairs = {"subject": subject, "content": content, "after": after, "limit": str(limit)}
    query = urlencode({name: value for name, value in pairs.items() if value is not None})
    found = order_edge("GET", f"/sessions?{query}", url)
    if as_json:
        click.echo(json.dumps(found))
        return
    for row in found.get("sessions", []):
        click.echo(_line(row))
    click.echo(f"kawa: {found.get('running', 0)} streams run at this edge", err=True)
    if "next" in found:
        click.echo(f"kawa: there are more; go on with --after {found['next']}", err=True)


@sessions.command("show")
@click.argument("session")
@admin_options
def sessions_show(session: str, url: str | None, as_json: bool) -> None:
    """Show everything that the edge knows of one stream."""
    found = order_edge("GET", f"/sessions/{quote(session, safe='')}", url)
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, value in _pairs(found):
        click.echo(f"{name:<24} {value}")


@sessions.command("kick")
@click.argument("session")
@admin_options
def sessions_kick(session: str, url: str | None, as_json: bool) -> None:
    """End a stream, on whichever edge it plays, and accept its tokens no more."""
    found = order_edge("POST", "/sessions/kick", url, {"session": session})
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo("ended" if found.get("here") else "not at this edge; the others are told")
    if not found.get("told", True):
        click.echo("kawa: Redis is away, and other edges were not told: try again", err=True)
        raise SystemExit(1)


@sessions.command("forget")
@click.argument("subject")
@admin_options
def sessions_forget(subject: str, url: str | None, as_json: bool) -> None:
    """Forget what edges hold of a viewer, on all edges; the catalog's own records are the catalog's to forget."""
    found = order_edge("POST", "/sessions/forget", url, {"subject": subject})
    if as_json:
        click.echo(json.dumps(found))
    else:
        click.echo(f"forgotten here: {found.get('here', 0)} streams")
    if not found.get("told", True):
        click.echo("kawa: Redis is away, and other edges were not told: try again", err=True)
        raise SystemExit(1)


def _line(row: dict[str, Any]) -> str:
    began = datetime.fromtimestamp(row["started_at"], UTC).strftime("%H:%M:%S")
    megabytes = row["counted"]["bytes"] / 1e6
    return (
        f"{row['session']:<24} {row['state']:<7} {began} {row['device']:<8} {megabytes:>9.1f} MB  "
        f"{row['content']}"
    )


def _pairs(values: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _pairs(value, f"{before}{name}.")
        else:
            found.append((before + name, value))
    return found
