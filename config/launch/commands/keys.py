"""``kawa keys``: make keys, replace them without refusing anybody, and look at them."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from config.contracts.tokens import ALGORITHMS
from config.launch.running import settings_for
from config.runtime.jwk import NEW_ALGORITHMS, Key
from config.runtime.key_rotation import (
    Rotated,
    State,
    add_key,
    all_keys,
    replace_now,
    rotate,
    state_of,
)
from config.runtime.processes import WrongUse
from config.settings.load import Settings

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_F = Callable[..., None]


def _length(
    _context: click.Context, _parameter: click.Parameter, text: str | None
) -> timedelta | None:
    """A length of time such as 8d, 36h, 15m or 90s; a number alone is seconds."""
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,9})([smhd]?)", text.strip())
    if found is None:
        raise click.BadParameter("write a length of time such as 8d, 36h, 15m or 90s")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def _options(command: _F) -> _F:
    """What every one of these commands has."""
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
    return click.option(
        "--file",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Keys for another scheme's signer; the settings' own keys_file if there is none.",
    )(command)


def _making(command: _F) -> _F:
    """What the commands that make a key have."""
    command = click.option("--kid", "key_id", metavar="KID", help="Its name; a new one if none.")(
        command
    )
    return click.option(
        "--alg",
        "algorithm",
        type=click.Choice(NEW_ALGORITHMS),
        help="That of the newest key if there is none, or EdDSA.",
    )(command)


_publish = click.option(
    "--publish",
    callback=_length,
    metavar="LENGTH",
    help="How long the key is published before it signs; key_publication of the settings if none.",
)


@click.group()
def keys() -> None:
    """Keys that sign playback tokens: new, rotate, list."""


@keys.command("new")
@_making
@_publish
@_options
def new(
    algorithm: str | None,
    key_id: str | None,
    publish: timedelta | None,
    file: Path | None,
    as_json: bool,
) -> None:
    """Add a key, which signs as soon as every edge can know it; the others stay as they are."""
    settings = settings_for("keys")
    path = _path(settings, file, algorithm)
    with _refusals():
        key = add_key(
            path,
            algorithm=algorithm,
            key_id=key_id,
            publish_seconds=_seconds(publish, settings.tokens.key_publication),
            now=time.time(),
        )
    if as_json:
        click.echo(json.dumps({"kid": key.key_id, "alg": key.algorithm, "nbf": key.not_before}))
    else:
        click.echo(f"{path}: {key.key_id} ({key.algorithm}) signs {_from(key.not_before)}")


@keys.command("rotate")
@_making
@_publish
@click.option(
    "--overlap",
    callback=_length,
    metavar="LENGTH",
    help="How long the old keys go on verifying; key_overlap of the settings if none.",
)
@click.option(
    "--now",
    "at_once",
    is_flag=True,
    help="A key is in wrong hands: the new one signs at once, and tokens of the old ones are refused.",
)
@_options
def rotate_keys(
    algorithm: str | None,
    key_id: str | None,
    publish: timedelta | None,
    overlap: timedelta | None,
    at_once: bool,
    file: Path | None,
    as_json: bool,
) -> None:
    """Replace the keys that sign: the old ones verify until their tokens have ended, and then go."""
    settings = settings_for("keys")
    path = _path(settings, file, algorithm)
    if at_once and (publish is not None or overlap is not None):
        raise click.UsageError("--now has neither --publish nor --overlap")
    tokens = settings.tokens
    kept = tokens.key_overlap if overlap is None else overlap
    if file is None and kept < max(tokens.lifetime, tokens.session) + tokens.leeway:
        raise click.UsageError(
            "the overlap is shorter than a session: good tokens would be refused (--now is meant to)"
        )
    with _refusals():
        if at_once:
            done = replace_now(path, algorithm=algorithm, key_id=key_id, now=time.time())
        else:
            done = rotate(
                path,
                algorithm=algorithm,
                key_id=key_id,
                publish_seconds=_seconds(publish, tokens.key_publication),
                overlap_seconds=kept.total_seconds(),
                now=time.time(),
            )
    _show_rotated(path, done, as_json=as_json)


@keys.command("list")
@_options
def list_keys(file: Path | None, as_json: bool) -> None:
    """Show what each key does now; never a key itself."""
    settings = settings_for("keys")
    path = file or settings.keys_file
    now = time.time()
    with _refusals():
        found = all_keys(path)
    states = {key.key_id: state_of(key, found, now=now) for key in found.keys.values()}
    if as_json:
        click.echo(json.dumps([_row(key, states[key.key_id]) for key in found.keys.values()]))
        return
    for key in found.keys.values():
        state = states[key.key_id]
        begins = f", signs from {_date(key.not_before)}" if state == "waits" else ""
        ends = "" if key.expires_at is None else f", until {_date(key.expires_at)}"
        click.echo(f"{key.key_id:<24} {key.algorithm:<8} {state}{begins}{ends}")


def _row(key: Key, state: State) -> dict[str, object]:
    return {
        "kid": key.key_id,
        "alg": key.algorithm,
        "use": key.use,
        "state": state,
        "private": key.signing is not None,
        "nbf": key.not_before or None,
        "exp": key.expires_at,
    }


def _show_rotated(path: Path, done: Rotated, *, as_json: bool) -> None:
    if as_json:
        row = {
            "kid": done.key_id,
            "nbf": done.signs_from,
            "retired": list(done.retired),
            "retired_until": done.retired_until,
            "dropped": list(done.dropped),
        }
        click.echo(json.dumps(row))
        return
    click.echo(f"{path}: {done.key_id} signs {_from(done.signs_from)}")
    if done.retired:
        click.echo(f"  verify until {_date(done.retired_until)}: {', '.join(done.retired)}")
    if done.dropped:
        click.echo(f"  gone: {', '.join(done.dropped)}")


def _path(settings: Settings, file: Path | None, algorithm: str | None) -> Path:
    if file is not None:
        return file
    if algorithm is not None and algorithm not in ALGORITHMS:
        raise click.UsageError(
            f"playback tokens of our own are signed with one of {', '.join(ALGORITHMS)}; "
            "--file names the keys of another signer"
        )
    return settings.keys_file


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Keys that cannot be used are exit status 2 and one line."""
    try:
        yield
    except WrongUse as error:
        click.echo(f"kawa: {error}", err=True)
        raise SystemExit(2) from None


def _seconds(given: timedelta | None, default: timedelta) -> float:
    return (default if given is None else given).total_seconds()


def _from(instant: int) -> str:
    return "now" if instant <= time.time() else f"from {_date(instant)}"


def _date(instant: int) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
