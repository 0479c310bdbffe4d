"""One manifest by itself, treated: where no numbers of earlier versions have to be kept."""

from __future__ import annotations

from dataclasses import replace

from edge.manifests.ads.dash import annotate as annotate_mpd
from edge.manifests.ads.dash.feasible import EMPTY
from edge.manifests.ads.dash.find import find as find_in_mpd
from edge.manifests.ads.dash.repair import repair
from edge.manifests.ads.evidence import Found
from edge.manifests.ads.hls import whole
from edge.manifests.ads.hls.annotate import annotate
from edge.manifests.ads.hls.cut import cut
from edge.manifests.ads.hls.find import find
from edge.manifests.ads.hls.plan import Plan
from edge.manifests.ads.hls.runs import runs_of
from edge.manifests.ads.hls.segments import Segments
from edge.manifests.ads.policy import AdPolicy, Treatment
from edge.manifests.ads.rules import Rules
from edge.manifests.ads.treated import Treated
from edge.manifests.dash import scan as dash_scan
from edge.manifests.edits import apply_edits
from edge.manifests.errors import ManifestError
from edge.manifests.hls.scan import check_size
from edge.manifests.limits import DEFAULT, Limits

_DATERANGE = "daterange:"
DELTA = "a delta update cannot be looked through for breaks"
UNTOLD = "with comments the manifest would be larger than any may be: there are none in it"
_SKIP = b"#EXT-X-SKIP"


def treat_hls(
    data: bytes,
    treatment: Treatment,
    rules: Rules,
    *,
    base: str | None,
    limits: Limits = DEFAULT,
) -> Treated:
    """A playlist; one that is live is taken as if nobody had seen it before."""
    if not treatable(data):
        return Treated(body=data, warnings=(DELTA,))
    segments, found = find(data, rules, base=base, limits=limits)
    if not segments.is_media:
        return Treated(body=data)
    if treatment.policy is AdPolicy.EXPLAIN:
        return explained(segments, found)
    if not found.certain and not (treatment.interstitials and found.interstitials):
        return Treated(body=data, found=found)
    sides, runs = segments.sides(rules.contiguous), runs_of(found)
    planned = whole.gap if treatment.policy is AdPolicy.GAP else whole.plan
    return carried_out(segments, found, planned(sides, runs), treatment)


def treatable(data: bytes) -> bool:
    """Whether everything that a playlist is about stands in it."""
    return _SKIP not in data


def explained(segments: Segments, found: Found) -> Treated:
    """The same playlist with comments."""
    edits = annotate(segments.data, segments, found)
    body = apply_edits(segments.data, edits)
    try:
        check_size(body, segments.limits)
    except ManifestError:
        return Treated(body=segments.data, found=found, warnings=(UNTOLD,))
    return Treated(body=body, found=found, edits=edits)


def carried_out(segments: Segments, found: Found, plan: Plan, treatment: Treatment) -> Treated:
    """The playlist as a plan has it, without the date ranges that announced what goes."""
    announced = announcing(found)
    interstitials = frozenset(found.interstitials) if treatment.interstitials else frozenset()
    if announced or interstitials != plan.interstitials:
        plan = replace(plan, dateranges=plan.dateranges | announced, interstitials=interstitials)
    edits = cut(segments.data, segments, plan)
    return Treated(
        body=apply_edits(segments.data, edits) if edits else segments.data,
        found=found,
        edits=edits,
        removed=sum(hole.last - hole.first + 1 for hole in plan.holes)
        + sum(run.last - run.first + 1 for run in plan.gaps),
        is_early=plan.held > 0,
    )


def announcing(found: Found) -> frozenset[str]:
    """The IDs of the date ranges that breaks are known by."""
    keys = (key for one in found.certain for key in (one.key, *one.aliases))
    return frozenset(key.removeprefix(_DATERANGE) for key in keys if key.startswith(_DATERANGE))


def treat_dash(
    data: bytes,
    treatment: Treatment,
    rules: Rules,
    *,
    base: str | None,
    limits: Limits = DEFAULT,
) -> Treated:
    """An MPD: no state is needed, whatever its type."""
    document = dash_scan.scan(data, limits)
    found = find_in_mpd(document, rules, base=base)
    if treatment.policy is AdPolicy.EXPLAIN:
        edits = annotate_mpd.annotate(document, found)
        body = apply_edits(data, edits)
        if len(body) > limits.bytes:
            return Treated(body=data, found=found, warnings=(UNTOLD,))
        return Treated(body=body, found=found, edits=edits)
    edits = repair(document, found, treatment.policy)
    acted = [one for one in found.certain if one.key not in found.left]
    return Treated(
        body=apply_edits(data, edits) if edits else data,
        found=found,
        edits=edits,
        removed=sum(len(one.periods) for one in acted),
        is_all_ads=EMPTY in found.left.values(),
        warnings=tuple(f"left: {key}: {why}" for key, why in found.left.items()),
    )
