"""``kawa ingest``: video files become streams."""

from __future__ import annotations

import json
from pathlib import Path

import click

from config.launch.catalog_client import CatalogRefused, MediaNotMade, logged_in
from config.launch.ingest import Ingested, ingest_file
from config.launch.running import run_command, settings_for
from config.launch.system import ADMIN_LOGIN, admin_password


@click.command()
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
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
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
