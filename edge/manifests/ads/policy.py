"""What is to be done about ad breaks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class AdPolicy(StrEnum):
    """What becomes of the breaks that the rules of an origin name."""

    OFF = "off"
    EXPLAIN = "explain"  # annotate, change nothing
    STRIP = "strip"
    GAP = "gap"  # HLS: EXT-X-GAP, numbering kept; DASH: Periods go, times stay


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """How a viewer's manifests are treated; equal treatments share one form."""

    policy: AdPolicy = AdPolicy.OFF
    rules: tuple[str, ...] = ()  # names of rules; without any nothing is ever removed
    interstitials: bool = False  # drop the DATERANGEs of breaks that players would insert
