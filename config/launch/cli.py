"""The ``kawa`` command."""

from __future__ import annotations

import click

from config.launch.commands.lazy import LazyGroup

_COMMANDS = {
    "ads": "ads:ads",
    "cache": "edge:cache",
    "catalog": "programs:catalog",
    "demo": "system:demo",
    "doctor": "doctor:doctor",
    "edge": "edge:edge",
    "ingest": "ingest:ingest",
    "keys": "keys:keys",
    "manifest": "manifest:manifest",
    "sessions": "sessions:sessions",
    "up": "system:up",
    "worker": "programs:worker",
}
_TOKEN_COMMANDS = {
    "inspect": "token:token_inspect",
    "mint": "token:token_mint",
    "revocations": "revoke:revocations",
    "revoke": "revoke:revoke",
    "unrevoke": "revoke:unrevoke",
    "verify": "token:token_verify",
}


@click.group(
    cls=LazyGroup,
    lazily=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="kawa")
def main() -> None:
    """Kawa: a media streaming edge, a catalog and transcode workers.

    Exit status: 0 done, 1 failed, 2 wrong use.
    """


@main.group(cls=LazyGroup, lazily=_TOKEN_COMMANDS)
def token() -> None:
    """Playback tokens: mint, inspect, verify, revoke."""
