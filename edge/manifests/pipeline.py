"""What a player gets for a manifest, whatever its format: filtered, then rewritten."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from edge.manifests.ads.evidence import Found
from edge.manifests.ads.treated import Treated
from edge.manifests.context import Context, Rewritten
from edge.manifests.dash import rewrite as dash
from edge.manifests.dash import scan as dash_scan
from edge.manifests.dash.select import apply_dash
from edge.manifests.edits import Change, apply_edits, changes_of
from edge.manifests.errors import NotAManifest
from edge.manifests.filters.filter import Filter
from edge.manifests.filters.filtered import Dropped
from edge.manifests.hls import rewrite as hls
from edge.manifests.hls import scan as hls_scan
from edge.manifests.hls import steering
from edge.manifests.hls.select import apply_hls
from edge.manifests.hls.steering import NO_PATHWAYS, Pathway
from edge.manifests.limits import Limits
from edge.manifests.places import Place

_SPACE = b"\xef\xbb\xbf \t\r\n"  # and a byte-order mark


class Format(StrEnum):
    """What kind of document the bytes are."""

    HLS = "hls"
    DASH = "dash"
    JSON = "json"  # a steering manifest or an asset list


@dataclass(frozen=True, slots=True, kw_only=True)
class Produced:
    """A manifest for players, and an account of what was done to it."""

    format: Format
    output: bytes
    places: Callable[[], tuple[Place, ...]]  # found when someone needs them
    changes: Callable[[], list[Change]]  # made when someone wants to read it
    dropped: tuple[Dropped, ...] = ()
    given_up: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    ads: Found | None = None  # None: nobody looked for breaks


def format_of(data: bytes) -> Format:
    """What a document is, by its first bytes; ``NotAManifest`` if it is none of ours."""
    start = data[:4096].lstrip(_SPACE)
    if start.startswith(b"#") or b"#EXTM3U" in start:
        return Format.HLS
    if start.startswith((b"<", b"\xff\xfe", b"\xfe\xff")):
        return Format.DASH
    if start.startswith((b"{", b"[")):
        return Format.JSON
    raise NotAManifest


def produce(
    data: bytes,
    context: Context,
    filter_: Filter | None = None,
    *,
    limits: Limits | None = None,
    pathways: Mapping[str, Pathway] = NO_PATHWAYS,
    ads: Treated | None = None,
) -> Produced:
    """The document as a player of ``context`` gets it; time is linear in its size.

    ``pathways`` are those of the multivariant playlist that a steering manifest belongs to; ``ads`` is what was done to
    the breaks of ``data``, in whose place it stands.
    """
    limits = limits or Limits()
    if ads is not None:
        done, made = (
            ads.edits,
            produce(ads.body, context, filter_, limits=limits, pathways=pathways),
        )
        return replace(
            made,
            changes=lambda: changes_of(data, done) + made.changes(),
            warnings=(*ads.warnings, *made.warnings),
            ads=ads.found,
        )
    format_ = format_of(data)
    if format_ is Format.JSON and data.lstrip(_SPACE).startswith(b"["):
        # Steering manifests and asset lists are objects; other JSON is none of ours and stays.
        return _produced(format_, data, Rewritten(output=data, edits=(), places=()))
    if format_ is Format.JSON:
        return _produced(format_, data, steering.rewrite(data, context, limits, pathways=pathways))
    chosen = None
    kept = data
    if filter_ is not None:
        chosen = (
            apply_hls(data, hls_scan.scan(data, limits), filter_)
            if format_ is Format.HLS
            else apply_dash(data, dash_scan.scan(data, limits), filter_)
        )
        kept = apply_edits(data, chosen.edits)
    rewrite = hls.rewrite if format_ is Format.HLS else dash.rewrite
    result = _produced(format_, kept, rewrite(kept, context, limits))
    if chosen is None:
        return result
    edits = chosen.edits
    return replace(
        result,
        changes=lambda: changes_of(data, edits) + result.changes(),
        dropped=chosen.dropped,
        given_up=chosen.given_up,
    )


def _produced(format_: Format, source: bytes, rewritten: Rewritten) -> Produced:
    return Produced(
        format=format_,
        output=rewritten.output,
        places=lambda: rewritten.places,
        changes=lambda: changes_of(source, rewritten.edits),
        warnings=rewritten.warnings,
    )
