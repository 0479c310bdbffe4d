"""``kawa manifest``: the edge's manifest pipeline on files, URLs and standard input."""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from edge.manifests.ads.policy import AdPolicy, Treatment
from edge.manifests.ads.rule_files import load as load_rules
from edge.manifests.ads.rules import NO_RULES, RuleFault, Rules
from edge.manifests.ads.treat import treat_dash, treat_hls
from edge.manifests.ads.treated import Treated
from edge.manifests.context import Context
from edge.manifests.errors import ManifestError
from edge.manifests.filters.filter import Filter
from edge.manifests.hls.scan import scan
from edge.manifests.limits import DEFAULT, Limits
from edge.manifests.pipeline import Format, Produced, format_of, produce
from edge.manifests.places import with_query_token
from edge.manifests.uris import OriginMap, Unlisted, resolve, split
from edge.origin.carried.names import Carrier

_NAME = re.compile(r"[a-z][a-z0-9-]{1,31}")  # as OriginName of the settings
_FETCH_SECONDS = 30
_MAC = "mac-is-made-by-an-edge"  # in its place in carried URIs
_MOST_HOSTS = 256
_CHUNK_BYTES = 64 * 1024
_LEFT_ALONE = Treatment()


class BadSource(ValueError):
    """The source cannot be read; the message says why."""


class BadOption(ValueError):
    """An option makes no sense whatever the source; the message begins with its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command was asked for."""

    base: str | None = None
    origins: tuple[tuple[str, str], ...] = ()
    filter: Filter | None = None
    unlisted: Unlisted = "refuse"
    token: str | None = None  # put into the query of every URI
    limits: Limits = DEFAULT
    ads: Treatment = _LEFT_ALONE
    rules: Rules = NO_RULES


def origin_of(text: str) -> tuple[str, str]:
    """The name and URL of ``NAME=URL``; raises ``BadOption``."""
    name, mark, url = text.partition("=")
    if not mark or not _NAME.fullmatch(name):
        raise BadOption(f"--origin is NAME=URL with a name like 'vod-2', not {text!r}")
    return name, absolute(url, option=f"--origin {name}")


def ads_of(
    policy: str, names: str | None, folders: tuple[Path, ...], *, interstitials: bool = False
) -> tuple[Treatment, Rules]:
    """The treatment and the rules of ``--ads``, ``--ads-rules`` and the settings' folder; raises ``BadOption``."""
    chosen = tuple(name for name in (names or "").replace(",", " ").split() if name)
    found = AdPolicy(policy)
    if found in (AdPolicy.STRIP, AdPolicy.GAP) and not chosen:
        raise BadOption(f"--ads {policy}: say by which rules, such as --ads-rules scte35")
    if found is AdPolicy.OFF:
        if chosen:
            raise BadOption(
                "--ads-rules: nothing is looked for without --ads explain, strip or gap"
            )
        return _LEFT_ALONE, NO_RULES
    try:
        book = load_rules(folders)
        rules = book.chosen(chosen or tuple(dict.fromkeys(rule.name for rule in book)))
    except RuleFault as error:
        raise BadOption(f"--ads-rules: {error}") from error
    names_used = chosen or tuple(rule.name for rule in rules.items)
    return Treatment(policy=found, rules=names_used, interstitials=interstitials), rules


def absolute(url: str, *, option: str) -> str:
    """The URL if it is an absolute one of HTTP; raises ``BadOption``."""
    parts = split(url)
    if (parts.scheme or "").lower() not in ("http", "https") or not parts.authority:
        raise BadOption(f"{option}: {url!r} is no URL such as https://origin.example/vod/")
    return url


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One source's result: a manifest or an error."""

    source: str
    kind: str | None = None
    output: bytes = b""
    produced: Produced | None = None
    filter: str | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The line that ``--format json`` prints; ``output`` is lossless for UTF-8 (RFC 8216 section 4.1)."""
        made = self.produced
        return {
            "source": self.source,
            "kind": self.kind,
            "output": None if made is None else self.output.decode("utf-8", "replace"),
            "output_sha256": None if made is None else hashlib.sha256(self.output).hexdigest(),
            "changes": []
            if made is None
            else [
                {"where": c.where, "from": c.before, "to": c.after, "why": c.why}
                for c in made.changes()
            ],
            "filter": self.filter,
            "given_up": [] if made is None else list(made.given_up),
            "dropped": []
            if made is None
            else [{"where": d.where, "what": d.what, "why": d.why} for d in made.dropped],
            "ads": None
            if made is None or made.ads is None
            else [found.to_json() for found in made.ads.breaks],
            "warnings": [] if made is None else list(made.warnings),
            "error": self.error,
        }


async def run_source(source: str, options: Options) -> Row:
    """What a player would get for one source; never an exception for bad input."""
    try:
        data = await _read(source, options.limits)
        return await asyncio.to_thread(_row, source, data, options)
    except BadSource as error:
        return Row(source=source, error=str(error))
    except ManifestError as error:
        return Row(source=source, error=f"{error.code}: {error}")


def _row(source: str, data: bytes, options: Options) -> Row:
    ads = _treated(data, options)
    made = produce(data, context_of(options), options.filter, limits=options.limits, ads=ads)
    output = made.output
    if options.token is not None:
        output = with_query_token(
            output, made.places(), options.token, xml=made.format is Format.DASH
        )
    return Row(
        source=source,
        kind=_kind(data, options.limits),
        output=output,
        produced=made,
        filter=None if options.filter is None else str(options.filter),
    )


def _treated(data: bytes, options: Options) -> Treated | None:
    """What becomes of the breaks, as if nobody had seen the manifest before."""
    if options.ads.policy is AdPolicy.OFF:
        return None
    match format_of(data):
        case Format.HLS:
            treat = treat_hls
        case Format.DASH:
            treat = treat_dash
        case _:
            return None
    return treat(data, options.ads, options.rules, base=options.base, limits=options.limits)


def context_of(options: Options) -> Context:
    """Where the source stands and where its player would."""
    if options.base is None:
        return Context(base=None, origins=OriginMap(options.origins), origin="", path="")
    origins = options.origins or (("origin", _server_of(options.base)),)
    located = OriginMap(origins).locate(options.base)
    if located is None:
        raise BadSource(f"no --origin covers the base {options.base}")
    path = located.target.removeprefix(f"/{located.origin}/").partition("?")[0]
    return Context(
        base=options.base,
        origins=OriginMap(origins),
        origin=located.origin,
        path=path,
        unlisted=options.unlisted,
        by_host=True,
        carry=Carrier(located.origin, lambda _: _MAC, most_hosts=_MOST_HOSTS)
        if options.unlisted == "carry"
        else None,
        query=_query_of(options.base),
    )


def _kind(data: bytes, limits: Limits) -> str:
    found = format_of(data)
    return f"hls-{scan(data, limits).kind}" if found is Format.HLS else found.value


def _server_of(url: str) -> str:
    return resolve(url, "/")


def _query_of(url: str) -> Mapping[str, str]:
    items = (item.partition("=") for item in (split(url).query or "").split("&") if item)
    return {name: value for name, _, value in items}


async def _read(source: str, limits: Limits) -> bytes:
    if source == "-":
        return await _bounded_file("standard input", limits)
    if source.startswith(("http://", "https://")):
        return await _fetch(source, limits)
    return await _bounded_file(source, limits)


async def _bounded_file(source: str, limits: Limits) -> bytes:
    def read() -> bytes:
        if source == "standard input":
            return sys.stdin.buffer.read(limits.bytes + 1)
        with Path(source).open("rb") as file:
            return file.read(limits.bytes + 1)

    try:
        data = await asyncio.to_thread(read)
    except OSError as error:
        raise BadSource(error.strerror or str(error)) from error
    if len(data) > limits.bytes:
        raise BadSource(f"more than {limits.bytes} bytes")
    return data


async def _fetch(url: str, limits: Limits) -> bytes:
    timeout = ClientTimeout(total=_FETCH_SECONDS)
    pieces, size = [], 0
    try:
        async with ClientSession(timeout=timeout) as session, session.get(url) as answer:
            if answer.status != 200:
                raise BadSource(f"status {answer.status}")
            async for piece in answer.content.iter_chunked(_CHUNK_BYTES):
                size += len(piece)
                if size > limits.bytes:
                    raise BadSource(f"more than {limits.bytes} bytes")
                pieces.append(piece)
    except (ClientError, TimeoutError, ValueError) as error:
        if isinstance(error, BadSource):
            raise
        raise BadSource(str(error) or type(error).__name__) from error
    return b"".join(pieces)
