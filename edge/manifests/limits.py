"""How much of a manifest is accepted; each limit has its own error."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on foreign input; reaching one is a named error, never a slow answer."""

    bytes: int = 8 * 1024 * 1024  # decoded, when the input was compressed
    lines: int = 200_000
    line_bytes: int = 64 * 1024
    attributes: int = 256  # of one tag or element
    xml_depth: int = 64
    elements: int = 500_000  # of one XML document, all kinds
    json_depth: int = 16
    json_values: int = 20_000
    uris: int = 200_000  # that must be looked at one by one


DEFAULT = Limits()
