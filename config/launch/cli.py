"""The ``kawa`` command."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Literal

import click

from config.launch.ads import ads
from config.launch.catalog_client import CatalogRefused, MediaNotMade, logged_in
from config.launch.demo import run_demo
from config.launch.doctor import examine
from config.launch.edge_commands import cache, edge
from config.launch.ingest import Ingested, ingest_file
from config.launch.keys import keys
from config.launch.manifest import BadOption, Options, absolute, ads_of, origin_of, run_source
from config.launch.revoke import revocations, revoke, unrevoke
from config.launch.running import run_command, serve_command, settings_for
from config.launch.sessions import sessions
from config.launch.system import ADMIN_LOGIN, admin_password
from config.launch.tokens.commands import token_inspect, token_mint, token_verify
from config.launch.up import run_up
from edge.manifests.errors import ManifestError
from edge.manifests.filters.grammar import parse_filter

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="kawa")
def main() -> None:
    """Kawa: a media streaming edge, a catalog and transcode workers.

    Exit status: 0 done, 1 failed, 2 wrong use.
    """


@main.command()
def up() -> None:
    """Run the whole system on this machine; data is kept under ./var."""
    settings = settings_for("up")
    serve_command(run_up(settings))


@main.command()
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Publish this video and not the demo's clip.",
)
@click.option("--check", is_flag=True, help="Play the stream through the edge, then stop.")
def demo(file: Path | None, check: bool) -> None:
    """Run the whole system with a real clip in it."""
    settings = settings_for("demo")
    (run_command if check else serve_command)(run_demo(settings, file=file, check=check))


@main.command()
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--title", help="The release's title; the file's name if there is none.")
@click.option("--catalog", help="The catalog's URL; this machine's own if there is none.")
@click.option("--login", default=ADMIN_LOGIN, show_default=True, help="Who uploads.")
@click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Holds the password; this machine's administrator's if there is none.",
)
@_json_option
def ingest(
    files: tuple[Path, ...],
    title: str | None,
    catalog: str | None,
    login: str,
    password_file: Path | None,
    as_json: bool,
) -> None:
    """Upload, transcode and publish video files, and print where to watch them."""
    settings = settings_for("ingest")
    at = settings.catalog.listen
    url = catalog or f"http://{at.host}:{at.port}"
    password = password_file.read_text().strip() if password_file else admin_password(settings)
    run_command(_ingest(url, login, password, files, title, as_json))


async def _ingest(
    url: str, login: str, password: str, files: tuple[Path, ...], title: str | None, as_json: bool
) -> None:
    failed = 0
    async with logged_in(url, login=login, password=password) as client:
        for path in files:
            try:
                _show(path, await ingest_file(client, path, title=title), as_json)
            except (CatalogRefused, MediaNotMade) as error:
                failed += 1
                click.echo(f"kawa: {path}: {error}", err=True)
    if failed:
        raise MediaNotMade(f"{failed} of {len(files)} files were not published")


def _show(path: Path, published: Ingested, as_json: bool) -> None:
    playback = published.playback
    if as_json:
        row = {
            "file": str(path),
            "media_id": published.media_id,
            "hls": playback.hls,
            "dash": playback.dash,
            "player": playback.player,
            "expires_at": playback.expires_at,
        }
        click.echo(json.dumps(row))
    else:
        click.echo(f"{path}\n  player  {playback.player}\n  HLS     {playback.hls}")
        click.echo(f"  DASH    {playback.dash}")


@main.command()
@_json_option
def doctor(as_json: bool) -> None:
    """Check this machine and say how to mend what is wrong."""
    findings = run_command(examine(settings_for("doctor")))
    if as_json:
        rows = [
            {"name": f.name, "good": f.good, "text": f.text, "mend": "" if f.good else f.mend}
            for f in findings
        ]
        click.echo(json.dumps(rows))
    else:
        for finding in findings:
            mark = "ok  " if finding.good else ("BAD " if finding.fatal else "note")
            click.echo(f"{mark}  {finding.name:<12} {finding.text}")
            if not finding.good and finding.mend:
                click.echo(f"      {'':<12} {finding.mend}")
    if any(finding.fatal and not finding.good for finding in findings):
        raise SystemExit(1)


@main.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--base", help="The URL where the source stands; without it no URI is rewritten.")
@click.option(
    "--origin",
    "origins",
    multiple=True,
    metavar="NAME=URL",
    help="An origin as the edge's settings would have it; repeatable.",
)
@click.option("--filter", "words", help="A filter, such as height:..720~alang:en.")
@click.option(
    "--ads",
    type=click.Choice(["off", "explain", "strip", "gap"]),
    default="off",
    show_default=True,
    help="Ad breaks: comments in the output, taken out, or marked as gaps. A live playlist is taken by itself.",
)
@click.option(
    "--ads-rules",
    metavar="NAMES",
    help="Rules by name, with commas; explain without them takes all there are.",
)
@click.option(
    "--unlisted",
    type=click.Choice(["refuse", "leave", "carry"]),
    default="refuse",
    show_default=True,
    help="A host that no origin covers; carried ones are shown without the edge's signature.",
)
@click.option(
    "--token-in",
    type=click.Choice(["path", "query"]),
    default="path",
    show_default=True,
    help="Where a player's token stands; in the query it goes into every URI.",
)
@click.option("--token", "text", default="TOKEN", show_default=True, help="That token.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def manifest(
    sources: tuple[str, ...],
    base: str | None,
    origins: tuple[str, ...],
    words: str | None,
    ads: str,
    ads_rules: str | None,
    unlisted: Literal["refuse", "leave", "carry"],
    token_in: str,
    text: str,
    form: str,
) -> None:
    """Show what a player would get for a manifest: a file, a URL, or - for standard input."""
    try:
        filter_ = parse_filter(words) if words else None
    except ManifestError as error:
        raise click.UsageError(f"--filter: {error}") from error
    try:
        pairs = tuple(origin_of(text) for text in origins)
        base = None if base is None else absolute(base, option="--base")
        treatment, rules = ads_of(ads, ads_rules, _rule_folders() if ads != "off" else ())
    except BadOption as error:
        raise click.UsageError(str(error)) from error
    options = Options(
        base=base,
        origins=pairs,
        filter=filter_,
        ads=treatment,
        rules=rules,
        unlisted=unlisted,
        token=text if token_in == "query" else None,  # noqa: S105 - a place, not a password
    )
    run_command(_manifests(sources, options, form))


def _rule_folders() -> tuple[Path, ...]:
    folder = settings_for("manifest").edge.ads.rules
    return () if folder is None else (folder,)


async def _manifests(sources: tuple[str, ...], options: Options, form: str) -> None:
    failed = False
    for source in sources:
        row = await run_source(source, options)
        failed = failed or row.error is not None
        if form == "json":
            click.echo(json.dumps(row.to_json(), ensure_ascii=False))
        elif row.error is not None:
            click.echo(f"kawa: {row.source}: {row.error}", err=True)
        else:
            sys.stdout.buffer.write(row.output)
    if failed:
        raise SystemExit(1)


@main.group()
def token() -> None:
    """Playback tokens: mint, inspect, verify, revoke."""


def _become(module: str) -> None:
    """Turn this process into one of the programs."""
    sys.stdout.flush()
    os.execv(sys.executable, (sys.executable, "-m", module, *sys.argv[2:]))  # noqa: S606 - no shell wanted


for command in (token_mint, token_inspect, token_verify, revoke, unrevoke, revocations):
    token.add_command(command)
main.add_command(edge)
main.add_command(ads)
main.add_command(cache)
main.add_command(keys)
main.add_command(sessions)


@main.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def catalog(arguments: tuple[str, ...]) -> None:
    """Run the catalog alone (``kawa catalog migrate``: only bring the database up to date)."""
    _become("catalog")


@main.command()
def worker() -> None:
    """Run a transcode worker alone."""
    _become("transcode")
