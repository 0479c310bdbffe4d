from __future__ import annotations

import pytest

from edge.manifests.hls.carry import NOTHING, InForce, key_of, range_end, said_again
from edge.manifests.hls.delta import make_delta
from tests.manifests.ads.effective import read

LIMIT = 64
AES = '#EXT-X-KEY:METHOD=AES-128,URI="k"'
VECTOR = '#EXT-X-KEY:METHOD=AES-128,URI="v",IV=0x01'
OTHER = '#EXT-X-KEY:METHOD=AES-128,URI="w",IV=0x02'
DRM = '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x",KEYFORMAT="com.apple"'
NONE = "#EXT-X-KEY:METHOD=NONE"
MAP, AD_MAP = '#EXT-X-MAP:URI="m"', '#EXT-X-MAP:URI="ad"'
FAST, SLOW = "#EXT-X-BITRATE:2", "#EXT-X-BITRATE:1"


def in_force(*lines: str, before: InForce = NOTHING) -> InForce:
    for line in lines:
        before = before.said(line[1:].partition(":")[0], line.encode(), LIMIT)
    return before


@pytest.mark.parametrize(
    ("before", "hole", "expected"),
    [
        pytest.param([AES, MAP], [], [], id="nothing said"),
        pytest.param([AES, MAP], [NONE, AD_MAP, AES, MAP], [], id="all as it was"),
        pytest.param([AES], [NONE, AES, NONE], [NONE], id="clear behind an encrypted one"),
        pytest.param([], [AES, NONE], [], id="clear as before"),
        pytest.param([], [AES], [AES], id="a key that begins in the hole"),
        pytest.param([AES, DRM], [NONE, DRM], [NONE, DRM], id="one format of two ends"),
        pytest.param([AES], [DRM], [DRM], id="another format is added"),
        pytest.param([MAP, SLOW], [AD_MAP, FAST], [AD_MAP, FAST], id="a map and a bitrate"),
        pytest.param([MAP], [AD_MAP, VECTOR], [AD_MAP, VECTOR], id="a clear map before a key"),
        pytest.param([MAP], [VECTOR, AD_MAP], [VECTOR, AD_MAP], id="an encrypted map"),
        pytest.param(
            [OTHER, MAP], [VECTOR, AD_MAP, OTHER], [VECTOR, AD_MAP, OTHER], id="a map under a key that went"
        ),
        pytest.param(
            [VECTOR, MAP], [NONE, MAP, VECTOR], [NONE, MAP, VECTOR], id="the same map, no longer encrypted"
        ),
        pytest.param([AES], [AD_MAP], [AD_MAP], id="a key without a vector encrypts no map"),
    ],
)  # fmt: skip
def test_what_is_said_again_leads_from_one_state_to_the_other(
    before: list[str], hole: list[str], expected: list[str]
) -> None:
    old = in_force(*before)
    new = in_force(*hole, before=old)

    said = [line.decode() for line in said_again(old, new)]

    assert said == expected
    assert in_force(*said, before=old) == new


@pytest.mark.parametrize(
    ("line", "numbered"),
    [
        (AES, True),
        ('#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k",KEYFORMAT="identity"', True),
        (VECTOR, False),
        ('#EXT-X-KEY:METHOD=AES-128,URI="k",IV={$iv}', False),
        (DRM, False),
        (NONE, False),
        ('#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,URI="k"', False),
        ("#EXT-X-KEY", False),
    ],
)
def test_a_number_is_the_vector_only_of_a_key_without_one(line: str, numbered: bool) -> None:
    assert key_of(line.encode(), LIMIT).is_numbered is numbered


@pytest.mark.parametrize(
    ("values", "end"),
    [
        ([], 0),
        (["5@10"], 15),
        (["5@10", "7", " 3 "], 25),
        (["5", "7"], 12),
        (["5@10", "7@100"], 107),
        (["x", "5@y"], 5),
    ],
)
def test_ranges_continue_one_another(values: list[str], end: int) -> None:
    assert range_end(values) == end


def test_more_formats_than_there_are_do_not_pile_up() -> None:
    lines = [f'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="u",KEYFORMAT="f{n}"' for n in range(1000)]

    assert len(said_again(NOTHING, in_force(*lines))) < 20


def test_a_delta_says_a_map_under_the_key_that_encrypts_it() -> None:
    head = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=6\n"
    lines = [VECTOR, MAP, "#EXTINF:1,", "s0", OTHER]
    lines += [line for n in range(1, 20) for line in ("#EXTINF:1,", f"s{n}")]
    full = (head + "\n".join(lines) + "\n").encode()

    delta = make_delta(full)

    assert delta is not None
    # As a player reads what is listed, its own copy of the rest left aside
    last, whole = read(delta).segments[-1], read(full).segments[-1]
    assert (last.keys, last.map, last.map_under) == (whole.keys, whole.map, whole.map_under)
