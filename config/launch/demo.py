"""``kawa demo``: the whole system on embedded defaults, with a real clip in it."""

from __future__ import annotations

import json
import socket
import sys
import time
from datetime import timedelta
from pathlib import Path

import click

from config.launch.catalog_client import logged_in
from config.launch.check import check_playback, first_frame
from config.launch.clip import demo_clip
from config.launch.ingest import Ingested, ingest_file
from config.launch.system import ADMIN_LOGIN, System, running_system
from config.settings.load import Settings
from config.settings.shared import ListenSettings
from transcode.ffmpeg.binaries import find_ffmpeg


async def run_demo(settings: Settings, *, file: Path | None, check: bool) -> None:
    """Publish ``file`` (or the demo's clip) on a fresh system; then keep running, or play it and stop."""
    started = time.monotonic()
    settings = _on_free_ports(settings)
    ffmpeg = find_ffmpeg(settings.transcode)
    source = file or await demo_clip(settings.var_dir / "cache", ffmpeg=ffmpeg, report=say)
    say("starting PostgreSQL, Valkey, the catalog, a worker and the edge")
    logs = settings.var_dir / "log"
    async with running_system(settings, report=say, log_folder=logs) as system:
        say(f"transcoding {source.name}")
        published = await _publish(system, source)
        if not check:
            _tell(published, started)
            await system.supervisor.until_failed()
            return
        await first_frame(published.playback.hls, ffmpeg=ffmpeg)
        first_play = time.monotonic() - started
        say("reading every rendition through the edge, as HLS and as DASH")
        result = await check_playback(published.playback, source, ffmpeg=ffmpeg)
    summary = {
        "ok": True,
        "frames": result.frames,
        "renditions": result.renditions,
        "seconds_to_first_play": round(first_play, 2),
        "media_seconds": round(result.seconds, 2),
        "seconds": round(time.monotonic() - started, 2),
    }
    click.echo(json.dumps(summary))


def say(text: str) -> None:
    """Tell a person what is being done."""
    click.echo(f"kawa: {text}", err=True)


async def _publish(system: System, source: Path) -> Ingested:
    async with logged_in(
        system.catalog_url, login=ADMIN_LOGIN, password=system.admin_password
    ) as client:
        return await ingest_file(client, source)


def _tell(published: Ingested, started: float) -> None:
    click.echo(
        f"\nReady after {time.monotonic() - started:.1f} s, "
        f"{published.renditions} renditions. Watch it:\n\n"
        f"  player  {published.playback.player}\n"
        f"  HLS     {published.playback.hls}\n"
        f"  DASH    {published.playback.dash}\n\n"
        f"These addresses work until {published.playback.expires_at}. Ctrl-C stops everything."
    )
    sys.stdout.flush()


def _on_free_ports(settings: Settings) -> Settings:
    """The settings with another port wherever the wanted one is taken, so that two demos can run at once."""
    edge, catalog, transcode = settings.edge, settings.catalog, settings.transcode
    return settings.model_copy(
        update={
            "log": settings.log.model_copy(update={"level": "warning"}),
            "edge": edge.model_copy(
                update={
                    "listen": _free(edge.listen),
                    "admin": _free(edge.admin),
                    # Nobody else is watching.
                    "http": edge.http.model_copy(update={"drain_timeout": timedelta(seconds=2)}),
                }
            ),
            "catalog": catalog.model_copy(
                update={"listen": _free(catalog.listen), "admin": _free(catalog.admin)}
            ),
            "transcode": transcode.model_copy(update={"admin": _free(transcode.admin)}),
        }
    )


def _free(wanted: ListenSettings) -> ListenSettings:
    for port in (wanted.port, 0):
        with socket.socket() as sock:
            try:
                sock.bind((wanted.host, port))
            except OSError:
                continue
            return ListenSettings(host=wanted.host, port=sock.getsockname()[1])
    return wanted
