"""Small MPDs, and a live presentation that moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edge.manifests.context import Context, Rewritten
from edge.manifests.dash.rewrite import rewrite
from edge.manifests.limits import DEFAULT
from edge.manifests.uris import OriginMap, Unlisted

ORIGINS = OriginMap(
    (
        ("live", "https://live.example/channels/"),
        ("cdn", "https://cdn.example/"),
        ("other", "http://other.example:8080/base/"),
        ("six", "http://[2001:db8::1]:8080/"),
    )
)
BASE = "https://live.example/channels/one/manifest.mpd"


def mpd(body: str, attributes: str = "") -> bytes:
    return (
        f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:xlink="http://www.w3.org/1999/xlink"'
        f"{attributes}>{body}</MPD>"
    ).encode()


def in_set(body: str) -> bytes:
    return mpd(f"<Period><AdaptationSet>{body}</AdaptationSet></Period>")


def context(
    *,
    base: str | None = BASE,
    path: str = "one/manifest.mpd",
    unlisted: Unlisted = "refuse",
    carry: Callable[[str], str] | None = None,
    origins: OriginMap = ORIGINS,
) -> Context:
    return Context(
        base=base, origins=origins, origin="live", path=path, unlisted=unlisted, carry=carry
    )


def rewritten(data: bytes, where: Context | None = None) -> Rewritten:
    return rewrite(data, where or context(), DEFAULT)


@dataclass(frozen=True)
class Channel:
    """A live channel of two-second segments, one Period to the minute, and what its MPD says at one time."""

    window_segments: int = 20
    period_segments: int = 30
    attributes: str = ""

    def at(self, now: int) -> bytes:
        last = now // 2
        first = max(0, last - self.window_segments)
        periods = range(first // self.period_segments, last // self.period_segments + 1)
        body = "".join(self._period(number, first, last) for number in periods)
        minutes, seconds = divmod(now, 60)
        return mpd(
            f"\n  <Location>https://live.example/channels/one/manifest.mpd?at={now}&amp;x=1</Location>{body}\n"
            '  <UTCTiming schemeIdUri="urn:mpeg:dash:utc:direct:2014" '
            f'value="2024-01-01T00:{minutes:02}:{seconds:02}Z"/>\n',
            f' id="one" type="dynamic" publishTime="2024-01-01T00:{minutes:02}:{seconds:02}Z"'
            f' minimumUpdatePeriod="PT2S" availabilityStartTime="2024-01-01T00:00:00Z"{self.attributes}',
        )

    def _period(self, number: int, first: int, last: int) -> str:
        start = max(first, number * self.period_segments)
        stop = min(last, (number + 1) * self.period_segments)
        return (
            f'\n  <Period id="p{number}" start="PT{number * self.period_segments * 2}S">'
            + self._set("video", 90000, start, stop, steady=True)
            + self._set("audio", 48000, start, stop, steady=False)
            + "\n  </Period>"
        )

    def _set(self, what: str, timescale: int, start: int, stop: int, *, steady: bool) -> str:
        return (
            f'\n    <AdaptationSet id="{what}" contentType="{what}">'
            f'<SegmentTemplate timescale="{timescale}" startNumber="{start}" '
            f'media="{what}/$Time$.m4s?a=1&amp;b=2"><SegmentTimeline>'
            + self._runs(timescale, start, stop, steady=steady)
            + f"</SegmentTimeline></SegmentTemplate>"
            f'<Representation id="{what}1" bandwidth="1000"/></AdaptationSet>'
        )

    def _runs(self, timescale: int, start: int, stop: int, *, steady: bool) -> str:
        if steady:
            if start == stop:
                return ""
            return f'<S t="{start * 2 * timescale}" d="{2 * timescale}" r="{stop - start - 1}"/>'
        # Audio frames do not divide two seconds: every third segment is a little longer.
        runs = []
        for number in range(start, stop):
            time = number * 96000 + (number + 2) // 3 * 256
            length = 96256 if number % 3 == 0 else 96000
            t = f't="{time}" ' if number == start else ""
            runs.append(f'<S {t}d="{length}"/>')
        return "".join(runs)
