from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.transcode.media import Made, make_set, standard_clip
from transcode.errors import RuleBroken
from transcode.packaging import rules

Damage = Callable[[Path], None]


@pytest.fixture(scope="module")
def good_set(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("rules")
    clip = standard_clip(folder / "clip.mp4", seconds=7, size="854x480")
    return asyncio.run(make_set(clip, folder / "work"))


def replaced(name: str, pattern: str, text: str) -> Damage:
    """Put ``text`` where ``pattern`` is found first in a file of the set."""

    def damage(folder: Path) -> None:
        path = folder / name
        before = path.read_text("utf-8")
        after = re.sub(pattern, text, before, count=1)
        assert after != before
        path.write_text(after, "utf-8")

    return damage


def removed(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def copied(source: str, target: str) -> Damage:
    def damage(folder: Path) -> None:
        shutil.copyfile(folder / source, folder / target)

    return damage


def spoiled_key_frame(folder: Path) -> None:
    """Call the first slice of the second segment something else than an IDR; its boxes still say so."""
    path = folder / "v360/2.m4s"
    body = bytearray(path.read_bytes())
    at = body.index(b"mdat") + 4
    while body[at + 4] & 0x1F != 5:
        at += 4 + int.from_bytes(body[at : at + 4], "big")
    body[at + 4] = body[at + 4] & 0xE0 | 1
    path.write_bytes(bytes(body))


MASTER, MEDIA, IFRAMES, MPD = (
    "master.m3u8",
    "v480/media.m3u8",
    "v480/iframes.m3u8",
    "manifest.mpd",
)


@pytest.mark.parametrize(
    ("damage", "rule"),
    [
        pytest.param(
            replaced(MASTER, "AVERAGE-BANDWIDTH=\\d+,", ""),
            "apple-variant-attributes",
            id="no average",
        ),
        pytest.param(
            replaced(MASTER, ",FRAME-RATE=[\\d.]+", ""),
            "apple-variant-attributes",
            id="no frame rate",
        ),
        pytest.param(
            replaced(MASTER, "CLOSED-CAPTIONS=NONE,", ""),
            "apple-variant-attributes",
            id="captions not denied",
        ),
        pytest.param(
            replaced(MASTER, "RESOLUTION=\\d+x", "RESOLUTION=9x"),
            "rfc-truthful-variants",
            id="another size",
        ),
        pytest.param(
            replaced(MASTER, "avc1\\.4", "avc1.6"), "rfc-truthful-variants", id="another codec"
        ),
        pytest.param(
            replaced(MASTER, "INF:BANDWIDTH=\\d+", "INF:BANDWIDTH=1"),
            "apple-bit-rates",
            id="peak too low",
        ),
        pytest.param(
            replaced(MASTER, "#EXT-X-INDEPENDENT-SEGMENTS\n", ""),
            "apple-independent-segments",
            id="not independent",
        ),
        pytest.param(spoiled_key_frame, "apple-independent-segments", id="a segment without IDR"),
        pytest.param(replaced(MEDIA, "#EXT-X-ENDLIST\n", ""), "apple-vod", id="no end"),
        pytest.param(replaced(MEDIA, "TYPE:VOD", "TYPE:EVENT"), "apple-vod", id="an event"),
        pytest.param(
            replaced(MEDIA, "TARGETDURATION:6", "TARGETDURATION:5"),
            "rfc-durations",
            id="target too short",
        ),
        pytest.param(
            replaced(MEDIA, "EXTINF:6.000000", "EXTINF:6.001000"),
            "rfc-durations",
            id="a millisecond off",
        ),
        pytest.param(copied("v480/2.m4s", "v480/1.m4s"), "cmaf-timeline", id="a segment twice"),
        pytest.param(
            replaced(MEDIA, "#EXTINF:1.000000,\n2.m4s\n", ""),
            "apple-alignment",
            id="a rung cut short",
        ),
        pytest.param(
            replaced(MEDIA, "#EXTINF:1.000000,\n2.m4s\n", ""),
            "kawa-complete",
            id="a segment in no playlist",
        ),
        pytest.param(
            replaced(IFRAMES, "BYTERANGE:\\d+", "BYTERANGE:77"),
            "apple-i-frames",
            id="a wrong byte range",
        ),
        pytest.param(
            replaced(MASTER, "#EXT-X-I-FRAME-STREAM-INF.*\n", ""),
            "apple-i-frames",
            id="no I-frame list",
        ),
        pytest.param(
            replaced(MASTER, 'LANGUAGE="und",', ""), "apple-audio-groups", id="no language"
        ),
        pytest.param(
            replaced(MASTER, "DEFAULT=YES", "DEFAULT=NO"), "apple-audio-groups", id="no default"
        ),
        pytest.param(
            replaced(MPD, 'mediaPresentationDuration="PT7', 'mediaPresentationDuration="PT8'),
            "dash-structure",
            id="another length",
        ),
        pytest.param(replaced(MPD, ' lang="und"', ""), "dash-structure", id="no language in DASH"),
        pytest.param(
            replaced(MPD, ' id="v480"', ' id="v481"'), "dash-structure", id="another representation"
        ),
        pytest.param(
            replaced(MPD, ' d="(\\d+)"', ' d="1"'), "dash-timeline", id="a wrong timeline"
        ),
        pytest.param(
            replaced(MPD, ' timescale="\\d+"', ' timescale="1"'),
            "dash-timeline",
            id="another timescale",
        ),
        pytest.param(
            replaced(MPD, "\\$Number\\$.m4s", "$Number$.mp4"),
            "dash-timeline",
            id="segments that are not there",
        ),
        pytest.param(
            replaced(MASTER, "v480/media", "/v480/media"), "rfc-readable", id="an absolute URI"
        ),
        pytest.param(
            replaced(MASTER, "v480/media", "../v480/media"),
            "rfc-readable",
            id="a URI out of the set",
        ),
        pytest.param(removed("v480/2.m4s"), "rfc-readable", id="a missing segment"),
        pytest.param(removed("v480/init.mp4"), "rfc-readable", id="a missing init"),
        pytest.param(replaced(MPD, "<Period", "<!DOCTYPE x><Period"), "rfc-readable", id="no XML"),
    ],
)
def test_a_broken_rule_is_named(damage: Damage, rule: str, good_set: Made, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    shutil.copytree(good_set.folder, folder)
    assert rules.check(folder) == []

    damage(folder)

    assert rule in {violation.rule for violation in rules.check(folder)}
    with pytest.raises(RuleBroken):
        rules.require(folder)


def test_every_uri_is_relative(good_set: Made) -> None:
    for playlist in good_set.folder.rglob("*.m3u8"):
        for line in playlist.read_text("utf-8").splitlines():
            assert "://" not in line
            assert not line.startswith("/")


def test_the_first_variant_is_one_to_start_with(good_set: Made) -> None:
    lines = (good_set.folder / MASTER).read_text("utf-8").splitlines()
    variants = [line for line in lines if line.endswith("/media.m3u8") and line[0] != "#"]

    assert sorted(variants) == ["v360/media.m3u8", "v480/media.m3u8"]
    assert variants[0] == "v480/media.m3u8"
