"""How many channels an AudioChannelConfiguration stands for; each scheme counts in its own way."""

from __future__ import annotations

import re

from edge.manifests.dash.scan import Element

_HEX = re.compile(r"[0-9A-Fa-f]{1,8}\Z")
_DECIMAL = re.compile(r"[0-9]{1,3}\Z")

# ISO/IEC 23091-3 (CICP) table of channel configurations.
_CICP = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 8, 8: 2, 9: 3, 10: 4, 11: 7, 12: 8, 13: 24, 14: 8}
_CICP |= {15: 12, 16: 10, 17: 12, 18: 14, 19: 12, 20: 14}
# ETSI TS 102 366 annex I: one bit per channel or pair, the highest bit first (L C R Ls Rs ...).
_DOLBY_PAIRS = (1, 1, 1, 1, 1, 2, 2, 1, 1, 2, 2, 2, 1, 2, 1, 1)
# ETSI TS 103 190-2 annex G: speaker groups, the lowest bit first.
_AC4_GROUPS = (2, 1, 2, 2, 2, 2, 1, 2, 2, 1, 1, 1, 1, 2, 1, 1, 2, 2, 2)


def channels_of(element: Element) -> int | None:
    """The number of channels that an element states, ``None`` if it states none that can be counted."""
    for child in element.named("AudioChannelConfiguration"):
        scheme = (child.get("schemeIdUri") or "").strip().lower()
        count = _count(scheme, (child.get("value") or "").strip())
        if count:
            return count
    return None


def _count(scheme: str, value: str) -> int | None:
    if scheme in (
        "tag:dolby.com,2014:dash:audio_channel_configuration:2011",
        "urn:dolby:dash:audio_channel_configuration:2011",
    ):
        return _bits(value, tuple(reversed(_DOLBY_PAIRS)))
    if scheme == "tag:dolby.com,2015:dash:audio_channel_configuration:2015":
        return _bits(value, _AC4_GROUPS)
    if not _DECIMAL.match(value):
        return None
    number = int(value)
    if scheme == "urn:mpeg:mpegb:cicp:channelconfiguration":
        return _CICP.get(number)
    if scheme == "urn:mpeg:dash:23003:3:audio_channel_configuration:2011":
        return 8 if number == 7 else number  # ISO/IEC 23003-3: index 7 is 7.1
    return number if scheme == "urn:dts:dash:audio_channel_configuration:2012" else None


def _bits(value: str, weights: tuple[int, ...]) -> int | None:
    if not _HEX.match(value):
        return None
    number = int(value, 16)
    return sum(weight for bit, weight in enumerate(weights) if number >> bit & 1)
