"""Segmentation types of SCTE 35 2023 (table 23) as far as they tell an ad from a programme."""

from __future__ import annotations

from collections.abc import Mapping

# By the names that rules use. Each opens something that the next number closes.
TYPES: Mapping[str, int] = {
    "break": 0x22,
    "provider-ad": 0x30,
    "distributor-ad": 0x32,
    "provider-po": 0x34,  # placement opportunities
    "distributor-po": 0x36,
    "provider-overlay-po": 0x38,  # drawn over the programme, which goes on
    "distributor-overlay-po": 0x3A,
    "provider-promo": 0x3C,
    "distributor-promo": 0x3E,
    "provider-ad-block": 0x44,
    "distributor-ad-block": 0x46,
}
OPENING = frozenset(TYPES.values())

# Starts of a program (0x17: overlapping its predecessor, 0x19: joined in progress) and of a chapter.
PROGRAMME = frozenset((0x10, 0x17, 0x19, 0x20))

_PLAIN = {
    0x10: "program start",
    0x17: "program overlap start",
    0x19: "program join",
    0x20: "chapter start",
    0x22: "break",
    0x30: "provider advertisement",
    0x32: "distributor advertisement",
    0x34: "provider placement opportunity",
    0x36: "distributor placement opportunity",
    0x38: "provider overlay placement opportunity",
    0x3A: "distributor overlay placement opportunity",
    0x3C: "provider promo",
    0x3E: "distributor promo",
    0x44: "provider ad block",
    0x46: "distributor ad block",
}


def described(type_: int) -> str:
    """A type for a person: 'provider advertisement (0x30)'; an end is named as what it ends."""
    plain = _PLAIN.get(type_) or _PLAIN.get(type_ - 1, "segmentation")
    return f"{plain} (0x{type_:02X})"
