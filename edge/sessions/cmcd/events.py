"""Reports that players post by themselves (CTA-5004-B event mode): one dictionary a line."""

from __future__ import annotations

import json

from edge.sessions.cmcd.jsons import of_members
from edge.sessions.cmcd.read import MOST_CHARS, read_text
from edge.sessions.cmcd.values import Cmcd


def read_events(body: bytes, *, most: int = 256, most_chars: int = MOST_CHARS) -> list[Cmcd]:
    """One report for each line, the first ``most`` of them; also for a JSON array of objects. Never raises."""
    text = body.decode("utf-8", "replace")
    if text.lstrip().startswith("["):
        return _of_array(text, most)
    lines = [line.strip("\r") for line in text.split("\n", 4 * most)[: 4 * most]]
    found = [line for line in lines if line.strip(" \t")]
    return [read_text(line, mode="event", most=most_chars) for line in found[:most]]


def _of_array(text: str, most: int) -> list[Cmcd]:
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        return [Cmcd(mode="event", faults=("syntax",))]
    return [of_members(item, mode="event") for item in items[:most]]
