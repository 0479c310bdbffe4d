"""Date ranges that announce what a plan takes out: of a break in the playlist, or of one that players would insert."""

from __future__ import annotations

from edge.manifests.ads.hls.plan import Plan
from edge.manifests.ads.hls.segments import Segments, Tag

_PRELOAD = "com.apple.hls.preload"


def dropped(segments: Segments, plan: Plan) -> tuple[Tag, ...]:
    """All tags of the plan's IDs, wherever they stand, and those that ask for the same media ahead of time."""
    gone = plan.dateranges | plan.interstitials
    if not gone:
        return ()
    found, preloads = [], []
    assets: set[str] = set()
    for tag in segments.tags("EXT-X-DATERANGE"):
        attributes = segments.attributes(tag)
        values = {name: attribute.value for name, attribute in attributes.items()}
        if values.get("ID") in gone:
            found.append(tag)
            if values["ID"] in plan.interstitials:
                assets |= {values.get("X-ASSET-URI", ""), values.get("X-ASSET-LIST", "")}
        elif values.get("CLASS") == _PRELOAD:
            preloads.append((tag, values))
    assets.discard("")
    found += [
        tag
        for tag, values in preloads
        if values.get("X-URI") in assets or values.get("X-TARGET-ID") in plan.interstitials
    ]
    return tuple(sorted(found, key=lambda tag: tag.start))
