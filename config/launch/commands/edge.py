"""``kawa edge`` and ``kawa cache``: run an edge, and tell a running one what to do."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from config.launch.commands.programs import become
from config.launch.edge_client import order
from config.launch.plain_proxy import BadAddress, environment
from config.launch.running import run_command, settings_for
from config.settings.load import settings_or_exit

_F = Callable[..., None]


def admin_options(command: _F) -> _F:
    """What every command to a running edge has."""
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
    return click.option(
        "--edge", "url", metavar="ADMIN_URL", help="Its admin listener; this machine's own if none."
    )(command)


@click.group(invoke_without_command=True)
@click.option("--listen", metavar="HOST:PORT", help="Be a plain caching reverse proxy here.")
@click.option("--public-origin", metavar="URL", help="What the plain proxy stands in front of.")
@click.option(
    "--cache-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for files that memory has no room for.",
)
@click.option(
    "--profile",
    type=click.Choice(["safe", "generic-cache"]),
    help="How freely the plain proxy keeps and shares answers.",
)
@click.option("--workers", type=click.IntRange(1, 64), help="Processes that share the port.")
@click.option("--admin", metavar="HOST:PORT", help="Where operators connect.")
@click.pass_context
def edge(
    context: click.Context,
    listen: str | None,
    public_origin: str | None,
    cache_dir: Path | None,
    profile: str | None,
    workers: int | None,
    admin: str | None,
) -> None:
    """Run the edge alone, as its settings say; or with --listen as a plain caching reverse proxy.

    The plain proxy needs no token, no Redis and no database.
    """
    if context.invoked_subcommand is not None:
        return
    if listen is None:
        options = (public_origin, cache_dir, profile, workers, admin)
        if any(option is not None for option in options):
            raise click.UsageError("these options belong to --listen; without it, see KAWA_EDGE__…")
        become("edge")
    if public_origin is None:
        raise click.UsageError("--listen needs --public-origin")
    try:
        os.environ |= environment(
            listen=listen,
            public_origin=public_origin,
            cache_dir=cache_dir,
            profile=profile,
            workers=workers,
            admin=admin,
        )
    except BadAddress as error:
        raise click.UsageError(str(error)) from error
    settings_or_exit()  # said before a line promises anything
    become("edge", "--announce")


@edge.command("reload")
@admin_options
def edge_reload(url: str | None, as_json: bool) -> None:
    """Have a running edge read its settings and keys again; it keeps the old ones if the new are bad."""
    found = order_edge("POST", "/reload", url)
    later = found.get("restart_needed", [])
    if as_json:
        click.echo(json.dumps(found))
    elif later:
        click.echo(f"reloaded; these change with the next whole start: {', '.join(later)}")
    else:
        click.echo("reloaded")


@edge.command("restart")
@admin_options
def edge_restart(url: str | None, as_json: bool) -> None:
    """Replace a running edge's worker processes one by one; no request is lost."""
    found = order_edge("POST", "/restart", url)
    click.echo(json.dumps(found) if as_json else "restarted")


@click.group()
def cache() -> None:
    """The cache of a running edge: purge, stats."""


@cache.command("purge")
@click.argument("address", required=False, metavar="[URL]")
@click.option("--prefix", help="Everything whose URL begins so.")
@click.option("--tag", help="Everything that its origin gave this tag.")
@click.option("--all", "everything", is_flag=True, help="Everything.")
@click.option("--soft", is_flag=True, help="Keep the files, but ask the origin before using them.")
@admin_options
def cache_purge(
    address: str | None,
    prefix: str | None,
    tag: str | None,
    everything: bool,
    soft: bool,
    url: str | None,
    as_json: bool,
) -> None:
    """Forget files, in every worker and on every edge that shares a Redis.

    URL is one of this edge (with or without host), one of a configured HTTP origin, or origin/path.
    """
    chosen = [
        (kind, value)
        for kind, value in (
            ("url", address),
            ("prefix", prefix),
            ("tag", tag),
            ("all", "" if everything else None),
        )
        if value is not None
    ]
    if len(chosen) != 1:
        raise click.UsageError("say one of URL, --prefix, --tag, --all")
    kind, value = chosen[0]
    body: dict[str, Any] = {"kind": kind, "soft": soft}
    if kind != "all":
        body["value"] = value
    found = order_edge("POST", "/cache/purge", url, body)
    missed, others = found.get("missed", []), found.get("other_edges")
    if as_json:
        click.echo(json.dumps(found))
    else:
        verb = "marked" if soft else "purged"
        click.echo(f"{verb} {found.get('files', 0)} files")
    if missed:
        click.echo(f"kawa: not reached, told when they are back: {', '.join(missed)}", err=True)
    if others == "queued":
        click.echo("kawa: other edges are told when Redis is back", err=True)
    if missed or others == "queued":
        raise SystemExit(1)


@cache.command("stats")
@admin_options
def cache_stats(url: str | None, as_json: bool) -> None:
    """Show what a running edge keeps."""
    found = order_edge("GET", "/cache/stats", url)
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, value in _lines(found.get("total", {})):
        click.echo(f"{name:<32} {value}")
    for name in found.get("missed", []):
        click.echo(f"kawa: worker {name} did not answer", err=True)


def _lines(values: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    lines: list[tuple[str, Any]] = []
    for name, value in sorted(values.items()):
        if isinstance(value, dict):
            lines += _lines(value, f"{before}{name}.")
        else:
            lines.append((before + name, value))
    return lines


def order_edge(
    method: str, path: str, url: str | None, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What a running edge answers to an order; ends the command with one line if it cannot be given."""
    return run_command(order(settings_for("edge"), method, path, edge=url, body=body))
