"""Media playlists and plans that hypothesis makes up: whatever may stand before a segment, in any order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from edge.manifests.ads.hls.plan import Hole, Plan, Run

KEYS = (
    '#EXT-X-KEY:METHOD=AES-128,URI="k1"',
    '#EXT-X-KEY:METHOD=AES-128,URI="k2"',
    '#EXT-X-KEY:METHOD=AES-128,URI="k3",IV=0x00000000000000000000000000000abc',
    '#EXT-X-KEY:METHOD=AES-128,URI="k4",IV=0x00000000000000000000000000000def,KEYFORMAT="identity"',
    '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k5"',
    '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://w",KEYFORMAT="widevine"',
    '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://f1",KEYFORMAT="fairplay"',
    '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://f2",KEYFORMAT="fairplay"',
    *["#EXT-X-KEY:METHOD=NONE"] * 4,
)
MAPS = (
    '#EXT-X-MAP:URI="a.mp4"',
    '#EXT-X-MAP:URI="b.mp4"',
    '#EXT-X-MAP:URI="media.mp4",BYTERANGE="700@0"',
    '#EXT-X-MAP:URI="media.mp4",BYTERANGE="700"',
)
OTHERS = (
    "#EXT-X-BITRATE:1000",
    "#EXT-X-BITRATE:2000",
    "# a comment, with tags in it: #EXT-X-KEY:METHOD=NONE",
    "",
    "#EXT-X-UNKNOWN:a=b",
)
OF_THE_PLAYLIST = (
    '#EXT-X-DEFINE:NAME="n",VALUE="v"',
    "#EXT-X-INDEPENDENT-SEGMENTS",
    '#EXT-X-DATERANGE:ID="stays",START-DATE="2024-01-01T00:00:00Z"',
    '#EXT-X-DATERANGE:ID="gone",START-DATE="2024-01-01T00:00:00Z",SCTE35-OUT=0xFC',
)
RANGE = "#EXT-X-PART:DURATION=1.5"
BEGIN = datetime(2024, 2, 28, 23, 59, 50, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A playlist and what a plan does to it."""

    data: bytes
    plan: Plan
    total: int
    line_end: bytes
    has_tail: bool


@st.composite
def made(draw: DrawFn) -> Made:
    """A playlist with a plan."""
    total = draw(st.integers(1, 12))
    dated = draw(st.sampled_from(["never", "always", "first", "sometimes", "late"]))
    zone = draw(st.sampled_from(["Z", "+02:00", "-0330", ""]))
    single_file = draw(st.booleans())
    has_parts = draw(st.booleans())
    body, range_end, moment = [], None, BEGIN
    goes_on = False
    for position in range(total):
        before = [
            draw(st.sampled_from(KEYS)) for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2])))
        ]
        before += draw(st.lists(st.sampled_from(MAPS), max_size=1))
        before += draw(st.lists(st.sampled_from((*OTHERS, *OF_THE_PLAYLIST)), max_size=2))
        before += ["#EXT-X-DISCONTINUITY"] * draw(st.sampled_from([0, 0, 0, 0, 1, 2]))
        wanted = {"always": True, "first": position == 0, "late": position == total // 2}
        if wanted.get(dated, dated == "sometimes" and draw(st.booleans())):
            before.append(f"#EXT-X-PROGRAM-DATE-TIME:{moment:%Y-%m-%dT%H:%M:%S.%f}{zone}")
        seconds = draw(st.sampled_from(["4", "4.0", "3.96", "5.005333", "0"]))
        before.append(f"#EXTINF:{seconds},title {position}")
        moment += timedelta(seconds=float(seconds) + draw(st.sampled_from([0, 0, 0.5])))
        uri = f"s{position}.m4s"
        if single_file or draw(st.integers(0, 3)) == 0:
            offset = (
                ""
                if range_end is not None and draw(st.integers(0, 3))
                else f"@{draw(st.integers(700, 900))}"
            )
            length = draw(st.integers(1, 99))
            before.append(f"#EXT-X-BYTERANGE:{length}{offset}")
            range_end, uri = 1, "media.mp4" if single_file else uri
        else:
            range_end = None
        before = draw(st.permutations(before))
        if has_parts:
            before += parts(draw, position, goes_on)
            goes_on = before[-1].startswith(RANGE)
        body += [*before, uri]
    tail = parts(draw, total, goes_on) if has_parts else []
    if draw(st.booleans()) and tail:
        tail = [draw(st.sampled_from((*KEYS, *MAPS))), *tail]
    if has_parts and draw(st.booleans()):
        tail.append(f'#EXT-X-PRELOAD-HINT:TYPE=PART,URI="p{total}.9.m4s"')
    ahead = bool(tail)
    tail += draw(st.lists(st.sampled_from(OF_THE_PLAYLIST), max_size=2))
    if draw(st.booleans()):
        tail.append("#EXT-X-ENDLIST")
    line_end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    text = line_end.join([*head(draw), *body, *tail])
    text += line_end if draw(st.booleans()) else ""
    data = draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + text.encode()
    return Made(
        data=data,
        plan=draw(plans(total)),
        total=total,
        line_end=line_end.encode(),
        has_tail=ahead,
    )


def head(draw: DrawFn) -> list[str]:
    """The lines in front of everything."""
    lines = draw(st.lists(st.just("## made for a test"), max_size=1))
    lines.append("#EXTM3U")
    lines += draw(st.lists(st.sampled_from(["#EXT-X-VERSION:1", "#EXT-X-VERSION:9"]), max_size=1))
    lines.append("#EXT-X-TARGETDURATION:5")
    for name in ("MEDIA", "DISCONTINUITY"):
        number = draw(st.sampled_from([None, 0, 7, 12345]))
        lines += [] if number is None else [f"#EXT-X-{name}-SEQUENCE:{number}"]
    return lines


def parts(draw: DrawFn, position: int, goes_on: bool) -> list[str]:
    """Parts of one segment: files, or ranges that continue one another, from segment to segment too."""
    lines: list[str] = []
    for number in range(draw(st.integers(0, 3))):
        if draw(st.booleans()):
            lines.append(f'#EXT-X-PART:DURATION=1,URI="p{position}.{number}.m4s"')
            goes_on = False
        else:
            offset = "" if goes_on else "@50"
            lines.append(f'{RANGE},URI="parts.m4s",BYTERANGE="9{offset}"')
            goes_on = True
    return lines


@st.composite
def plans(draw: DrawFn, total: int) -> Plan:
    """Holes that do not touch one another, and gaps between them."""
    states = draw(st.lists(st.sampled_from("kkhhg"), min_size=total, max_size=total))
    runs: list[tuple[str, int, int]] = []
    for position, state in enumerate(states):
        if runs and runs[-1][0] == state:
            runs[-1] = (state, runs[-1][1], position)
        else:
            runs.append((state, position, position))
    numbers = st.one_of(st.none(), st.integers(0, 99999))
    return Plan(
        holes=tuple(Hole(a, b, draw(st.booleans())) for state, a, b in runs if state == "h"),
        gaps=tuple(Run(a, b) for state, a, b in runs if state == "g"),
        held=draw(st.sampled_from([0, 0, 0, 1, 2])),
        media_sequence=draw(numbers),
        discontinuity_sequence=draw(numbers),
        ad_tail=draw(st.sampled_from([False, False, True])),
        dateranges=draw(st.sampled_from([frozenset[str](), frozenset({"gone"})])),
    )
