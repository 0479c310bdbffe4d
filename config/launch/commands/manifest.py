"""``kawa manifest``: what a player would get."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Literal

import click

from config.launch.manifest import BadOption, Options, absolute, ads_of, origin_of, run_source
from config.launch.running import run_command, settings_for
from edge.manifests.errors import ManifestError
from edge.manifests.filters.grammar import parse_filter


@click.command()
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
