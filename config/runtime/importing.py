"""Imports of whole programs."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Import without looking for garbage, now and later: what modules hold never becomes any."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
