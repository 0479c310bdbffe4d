"""``kawa token mint|inspect|verify``."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any, get_args

import click
from multidict import CIMultiDict

from config.contracts.tokens import AdsClaim
from config.launch.running import run_command, settings_for
from config.launch.tokens.forms import SCHEMES, is_url
from config.launch.tokens.inspected import as_text
from config.launch.tokens.inspected import inspect as inspected
from config.launch.tokens.keys import Chosen
from config.launch.tokens.minting.wanted import Wanted
from config.launch.tokens.shown import grant_to_text
from config.launch.tokens.verified import Request, verify
from edge.errors import EdgeError

_F = Callable[..., None]
_SPAN = re.compile(r"([1-9][0-9]{0,8})([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DEFAULT_SECONDS = 3600
_AS_GIVEN = (
    *("paths", "url", "subject", "session", "token_id", "issuer", "methods", "networks"),
    *("countries", "max_height", "max_bitrate", "languages", "streams", "renew", "once"),
    *("ads", "debug"),
)


class _Span(click.ParamType[int]):
    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = _SPAN.fullmatch(str(value))
        if match is None:
            self.fail("a length of time such as 30m, 12h, 7d or 90 (seconds)", param, ctx)
        return int(match[1]) * _SECONDS[match[2]]


class _Instant(click.ParamType[float]):
    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        text = str(value)
        if re.fullmatch(r"[0-9]{1,12}(?:\.[0-9]{1,6})?", text):
            return float(text)
        try:
            instant = datetime.fromisoformat(text)
        except ValueError:
            self.fail("seconds since the epoch, or a time such as 2026-05-01T12:00:00Z", param, ctx)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()


class _Address(click.ParamType[IPv4Address | IPv6Address]):
    name = "address"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> IPv4Address | IPv6Address:
        try:
            address = ip_address(str(value))
        except ValueError:
            self.fail("an IPv4 or IPv6 address", param, ctx)
        # As the edge has it: a mapped address is the IPv4 one.
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return address if mapped is None else mapped


class _Pair(click.ParamType[tuple[str, Any]]):
    name = "pair"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Any]:
        name, equals, text = str(value).partition("=")
        if not equals or not name:
            self.fail("write NAME=VALUE", param, ctx)
        try:
            return name, json.loads(text)
        except ValueError:
            return name, text  # a text may stand without its quotes


_SIGNER_OPTIONS = (
    click.option("--signer", metavar="NAME", help="A signer of the settings."),
    click.option("--scheme", type=click.Choice(SCHEMES), help="The scheme, if it must be said."),
    click.option(
        "--keys",
        "--secret-file",
        "file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Keys in place of the settings: a JWK Set, a PEM file (cloudfront), or secrets a line each.",
    ),
    click.option(
        "--set",
        "fields",
        type=_Pair(),
        multiple=True,
        metavar="NAME=VALUE",
        help="With --keys: a setting of the scheme, as tokens.signers.NAME has it; repeatable.",
    ),
)


def _of_signer(command: _F) -> _F:
    for option in reversed(_SIGNER_OPTIONS):
        command = option(command)
    return command


@click.command("mint")
@click.argument("paths", nargs=-1)
@click.option("--url", help="Of schemes that sign one URL, or a token's only one.")
@click.option("--for", "seconds", type=_Span(), default=_DEFAULT_SECONDS, help="Such as 10m, 12h.")
@click.option("--minutes", type=click.IntRange(1, 7 * 24 * 60), help="The same in minutes.")
@click.option("--subject", help="Who will watch.")
@click.option("--session", help="Its session; a new one if there is none.")
@click.option("--token-id", help="jti, cti or the like.")
@click.option("--issuer", help="iss; the only one of the settings if there is none.")
@click.option("--not-before", type=_Instant(), help="Not before this time.")
@click.option("--method", "methods", multiple=True, help="Only this method; repeatable.")
@click.option("--network", "networks", multiple=True, help="Only for this network; repeatable.")
@click.option("--country", "countries", multiple=True, help="Only in this country; repeatable.")
@click.option("--max-height", type=click.IntRange(1), help="Highest picture allowed, in pixels.")
@click.option("--max-bitrate", type=click.IntRange(1), help="Highest rate, in bits per second.")
@click.option("--language", "languages", multiple=True, help="Only this language; repeatable.")
@click.option("--streams", type=click.IntRange(1), help="Streams of the subject at once.")
@click.option("--renew", type=_Span(), help="Edges follow it with tokens that hold so long …")
@click.option("--renew-until", type=_Instant(), help="… until this time,")
@click.option("--session-for", type=_Span(), help="or for so long from now (12h).")
@click.option("--once", is_flag=True, help="It opens one session.")
@click.option(
    "--ads",
    type=click.Choice(get_args(AdsClaim)),
    help="What becomes of ad breaks, whatever the origin's setting says.",
)
@click.option("--debug", is_flag=True, help="Answers may tell how they were made.")
@click.option("--kid", "key_id", help="The key that signs, where there are several.")
@click.option(
    "--claim",
    "claims",
    type=_Pair(),
    multiple=True,
    metavar="NAME=JSON",
    help="A scheme's own claim.",
)
@_of_signer
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def token_mint(**given: Any) -> None:
    """Sign a token for paths such as /vod/MEDIA/, or a URL; what edges would refuse is not signed."""
    # Signers' libraries take a quarter of a second to load, which no other command should wait for.
    from config.launch.tokens.minting.minted import mint

    settings = settings_for("token")
    now = int(time.time())
    if given["minutes"] is not None:
        given["seconds"] = given["minutes"] * 60
    until = given["renew_until"]
    if given["session_for"] is not None:
        until = now + given["session_for"]
    not_before = given["not_before"]
    wanted = Wanted(
        now=now,
        expires_at=now + given["seconds"],
        public_url=settings.edge_url,
        not_before=None if not_before is None else int(not_before),
        renew_until=None if until is None else int(until),
        key_id=given["key_id"],
        claims=dict(given["claims"]),
        **{name: given[name] for name in _AS_GIVEN},
    )
    if given["scheme"] in (None, "kawa") and not given["paths"] and given["signer"] is None:
        raise click.UsageError("say for which paths, such as /vod/MEDIA/")
    text = run_command(mint(wanted, settings=settings, chosen=_chosen(given)))
    name = "url" if text.startswith("/") or "://" in text else "token"
    click.echo(json.dumps({name: text}) if given["as_json"] else text)


@click.command("inspect")
@click.argument("text", metavar="TOKEN-OR-URL")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def token_inspect(text: str, as_json: bool) -> None:
    """Show what a token of any scheme says, without checking that it may say so."""
    shown = run_command(_inspected(text))
    click.echo(json.dumps(shown) if as_json else as_text(shown))


@click.command("verify")
@click.argument("text", metavar="TOKEN-OR-URL")
@click.option("--url", "--path", "url", help="What is asked for, such as /vod/MEDIA/master.m3u8.")
@click.option("--method", default="GET", show_default=True, help="How.")
@click.option("--ip", "address", type=_Address(), help="The viewer's address.")
@click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Repeatable.")
@click.option("--country", default="", help="Where the viewer is: US, or US-CA.")
@click.option("--now", type=_Instant(), help="At this time; epoch seconds or ISO 8601.")
@_of_signer
@click.option("--json", "as_json", is_flag=True, help="Print JSON on one line.")
def token_verify(text: str, **given: Any) -> None:
    """Say what an edge would: the grant, or why it refuses; exit status 1 if it does."""
    settings = settings_for("token")
    now = time.time() if given["now"] is None else given["now"]
    request = Request(
        url=given["url"],
        method=given["method"],
        address=given["address"],
        headers=_headers(given["headers"]),
        country=given["country"].upper(),
    )
    if request.url is None and not is_url(text):
        _refuse_conditions()
    verdict = run_command(verify(text, request, settings=settings, chosen=_chosen(given), now=now))
    if given["as_json"]:
        click.echo(json.dumps(verdict.to_json()))
    elif verdict.grant is not None:
        click.echo(grant_to_text(verdict.grant))
    else:
        refusal: EdgeError | None = verdict.refusal
        click.echo(f"kawa: {refusal.code if refusal else ''}: {refusal}", err=True)
    if verdict.grant is None:
        sys.exit(1)


async def _inspected(text: str) -> dict[str, Any]:
    return inspected(text)


def _chosen(given: dict[str, Any]) -> Chosen:
    if given["fields"] and given["file"] is None:
        raise click.UsageError("--set says more about --keys FILE; the settings say it themselves")
    return Chosen(
        signer=given["signer"],
        scheme=given["scheme"],
        file=given["file"],
        fields=dict(given["fields"]),
    )


def _refuse_conditions() -> None:
    """Conditions of a request are held against nothing as long as nothing is asked for."""
    context = click.get_current_context()
    for name, option in (
        ("method", "--method"),
        ("address", "--ip"),
        ("headers", "--header"),
        ("country", "--country"),
    ):
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(f"{option} says more about a request: give its --url")


def _headers(lines: tuple[str, ...]) -> CIMultiDict[str]:
    """Header fields; several of one name as the one that they mean (RFC 9110 section 5.3)."""
    found: CIMultiDict[str] = CIMultiDict()
    for line in lines:
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not name:
            raise click.UsageError(f"--header: {line!r} is not 'Name: value'")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
