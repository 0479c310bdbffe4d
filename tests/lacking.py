"""What a test does on a machine that has not got what it needs."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def lacking(what: str) -> NoReturn:
    """Skip on a developer's machine; under ``CI=true``, where nobody looks, fail. ``what`` says also how to get it."""
    __tracebackhide__ = True  # the report names the test, not this file
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what, allow_module_level=True)
