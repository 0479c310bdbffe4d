from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from edge.manifests.ads.hls.find import find
from edge.manifests.ads.rules import Rules
from tests.manifests.ads import truth
from tests.manifests.ads.playlists import AD, media
from tests.manifests.test_hls_linear import WIDE, is_linear

DATE = "#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z"
RANGE = '#EXT-X-DATERANGE:ID="{}",START-DATE="2026-01-01T00:00:00Z",SCTE35-OUT=0xFC00'


def each(n: int, *lines: str) -> list[str]:
    """Some lines before each of n segments; '{}' is its number."""
    return [
        text for k in range(n) for text in (*(line.replace("{}", str(k)) for line in lines), "1")
    ]


HOSTILE: dict[str, Callable[[int], bytes]] = {
    "openings": lambda n: media(*each(n, "#EXT-X-CUE-OUT")),
    "openings that never end": lambda n: media(*["#EXT-X-SCTE35:CUE-OUT=YES"] * n, *each(n, "#EXT-X-CUE-OUT:99999")),
    "events": lambda n: media(*each(n, f"#EXT-OATCLS-SCTE35:{AD}")),
    "closings": lambda n: media(*each(n, "#EXT-X-CUE-IN")),
    "what nobody can read": lambda n: media(*each(n, "#EXT-X-CUE-OUT:INVALID")),
    "unreadable and closed": lambda n: media(*each(n, "#EXT-X-CUE-OUT:INVALID", "#EXT-X-CUE-IN")),
    "what goes on": lambda n: media(*each(n, "#EXT-X-CUE-IN", "#EXT-X-CUE-OUT-CONT:1/99999")),
    "date ranges over everything": lambda n: media(*[RANGE.replace("{}", str(k)) for k in range(n)], DATE, *each(n)),
    "date ranges without dates": lambda n: media(*each(n, RANGE)),
    "dates": lambda n: media(RANGE, *each(n, DATE)),
    "dates that jump": lambda n: media(RANGE, *each(n, DATE.replace("00:00:00Z", "00:0{}:00Z"))),
    "one date": lambda n: media(*[RANGE.replace("{}", str(k)) for k in range(n)], *each(n), DATE, "1"),
    "discontinuities": lambda n: media(*each(n, "#EXT-X-DISCONTINUITY", "v1/segment/x.ts")),
    "keys": lambda n: media(*each(n, '#EXT-X-KEY:METHOD=AES-128,KEYFORMAT="{}",URI="{}"')),
    "hosts": lambda n: media(*each(n, "https://h{}.example/segment/ad/1.ts")),
    "titles": lambda n: media(*[text for k in range(n) for text in (f"#EXTINF:1,Amazon {k}", f"{k}.ts")]),
    "vendors": lambda n: media(*each(n, "#UPLYNK-SEGMENT:x,{},ad")),
    "blanks": lambda n: media("x" + " " * (50 * n) + "y", "\t" * (50 * n) + "z", " " * (50 * n)),
    "a line of hosts": lambda n: media("//" * (50 * n), "a" * (50 * n) + "://"),
    "a line of tags": lambda n: media("#EXTINF:" * (20 * n), "#EXT-X-CUE-OUT" * (20 * n)),
    "carriage returns": lambda n: media("\r" * (50 * n), "#EXT-X-CUE-OUT:8\r" * n, "x.ts"),
    "segments of no length": lambda n: media(*each(n, "#EXT-X-CUE-OUT:30", "#EXT-X-SCTE35:CUE-OUT=YES", "x.ts")),
    "variables": lambda n: media('#EXT-X-DEFINE:NAME="v",VALUE="xxxx"', *["{$v}" * 20] * n),
}  # fmt: skip


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE)
def test_finding_takes_time_linear_in_the_input(make: Callable[[int], bytes]) -> None:
    rules = truth.shipped()

    assert is_linear(lambda data: find(data, rules, limits=WIDE), make)


def test_windows_are_read_in_time_linear_in_the_input() -> None:
    def work(data: bytes) -> object:
        segments, _ = find(data, Rules(), limits=WIDE)
        window = segments.window("numbers")
        list(window.starts)
        return [window.contiguous(place, place + 1) for place in range(len(window) - 1)]

    assert is_linear(work, lambda n: media(*each(n, DATE, "#EXT-X-DISCONTINUITY")))
    assert is_linear(work, lambda n: media(DATE, *each(n)))
    assert is_linear(work, HOSTILE["keys"])


def test_no_bytes_are_an_error_of_the_rules() -> None:
    pieces = [line for make in HOSTILE.values() for line in make(2).decode().splitlines()]
    drawn = random.Random(7)
    for _ in range(300):
        data = media(*drawn.sample(pieces, 20))
        cut = drawn.randrange(len(data))
        find(data[:cut] + data[cut + 1 :], truth.shipped())
