"""Why requests of this process's edges were refused: all answers to tokens are alike, the metric tells them apart."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import REGISTRY

NOT_ALLOWED = {"error": "not-allowed", "message": "The token does not allow this."}


@contextmanager
def causes() -> Iterator[list[str]]:
    """A list that holds the causes of all refusals within the block once it is left."""
    before = _counted()
    found: list[str] = []
    yield found
    found += sorted((_counted() - before).elements())


def told(body: bytes, cause: str) -> str:
    """The code of one refusal: the answer's own, or ``cause`` if it is the one that tells nothing."""
    said = json.loads(body)
    if said["error"] != NOT_ALLOWED["error"]:
        assert said["error"] == cause
        return cause
    assert said == NOT_ALLOWED
    assert cause != NOT_ALLOWED["error"]
    return cause


def _counted() -> Counter[str]:
    return Counter(
        {
            sample.labels["code"]: int(sample.value)
            for family in REGISTRY.collect()
            if family.name == "edge_refusals"
            for sample in family.samples
            if sample.name == "edge_refusals_total"
        }
    )
