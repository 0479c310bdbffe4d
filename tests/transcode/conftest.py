"""Clips that several tests use, made once per run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.transcode.media import standard_clip


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds at 25 frames per second with sound."""
    return standard_clip(tmp_path_factory.mktemp("clips") / "clip.mp4")


@pytest.fixture(scope="session")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that takes several seconds to transcode."""
    return standard_clip(
        tmp_path_factory.mktemp("clips") / "long.mp4", seconds=20, size="1280x720", rate="30"
    )
