"""A master with 30 variants filtered: scan, choice and new bytes, beside PyPI's m3u8 doing the same by objects."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import m3u8

from edge.manifests.filters.filter import combine, from_grant
from edge.manifests.filters.grammar import parse_filter
from edge.manifests.hls.scan import scan
from edge.manifests.hls.select import apply_hls

TEXT = "height:..720~acodec:aac~fps:..30~alang:ja,en~tlang:en~order:up"
ROUNDS = 15
PER_ROUND = 20


def master() -> bytes:
    """Ten pictures in three audio codecs, with I-frames, two languages of audio and eight of text."""
    ladder = [(h, r) for h in (144, 240, 360, 480, 540, 720, 1080, 1440) for r in (30.0,)]
    ladder += [(720, 60.0), (1080, 60.0)]
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-INDEPENDENT-SEGMENTS"]
    sounds = (("aac", "mp4a.40.2", 2), ("ac3", "ac-3", 6), ("ec3", "ec-3", 6))
    for group, _, channels in sounds:
        lines += [
            f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="{group}",NAME="{tag}",LANGUAGE="{tag}",'
            f'DEFAULT=NO,AUTOSELECT=YES,CHANNELS="{channels}",URI="{group}/{tag}.m3u8"'
            for tag in ("ja", "en")
        ]
    lines += [
        f'#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="subs",NAME="{tag}",LANGUAGE="{tag}",URI="s/{tag}.m3u8"'
        for tag in ("en", "de", "fr", "es", "it", "pt-BR", "ru", "pl")
    ]
    for group, codec, _ in sounds:
        for height, rate in ladder:
            lines += [
                f"#EXT-X-STREAM-INF:BANDWIDTH={height * int(rate) * 100},"
                f'RESOLUTION={height * 16 // 9}x{height},FRAME-RATE={rate:.3f},CODECS="avc1.64001f,{codec}",'
                f'AUDIO="{group}",SUBTITLES="subs"',
                f"v/{height}-{rate:.0f}.m3u8",
            ]
    lines += [
        f"#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={height * 100},RESOLUTION={height * 16 // 9}x{height},"
        f'CODECS="avc1.64001f",URI="i/{height}.m3u8"'
        for height, _ in ladder[:8]
    ]
    return ("\n".join(lines) + "\n").encode()


def ours(data: bytes) -> bytes:
    """The whole of it, from the text of the filter to the bytes that are sent."""
    limits = from_grant(max_height=1080, max_bitrate=None, languages=())
    return apply_hls(data, scan(data), combine(parse_filter(TEXT), limits)).output(data)


def theirs(data: bytes) -> bytes:
    """The same variants and renditions chosen with PyPI's m3u8."""
    playlist = m3u8.loads(data.decode())
    kept = [
        variant
        for variant in playlist.playlists
        if variant.stream_info.resolution[1] <= 720
        and variant.stream_info.frame_rate <= 30
        and "mp4a" in variant.stream_info.codecs
    ]
    playlist.playlists[:] = sorted(kept, key=lambda variant: variant.stream_info.bandwidth)
    playlist.media[:] = [
        media
        for media in playlist.media
        if (media.type == "AUDIO" and media.group_id == "aac")
        or (media.type == "SUBTITLES" and media.language == "en")
    ]
    playlist.iframe_playlists[:] = [
        i for i in playlist.iframe_playlists if i.iframe_stream_info.resolution[1] <= 720
    ]
    text: str = playlist.dumps()
    return text.encode()


def seconds(work: Callable[[bytes], bytes], data: bytes) -> float:
    """The median time of one call."""
    rounds: list[float] = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(PER_ROUND):
            work(data)
        rounds.append((time.perf_counter() - started) / PER_ROUND)
    return statistics.median(rounds)


async def main() -> None:
    """Measure both in turn and print the ratio; they must agree on what stays."""
    data = master()
    ways = [m3u8.loads(work(data).decode()) for work in (ours, theirs)]
    uris = [[variant.uri for variant in playlist.playlists] for playlist in ways]
    if uris[0] != uris[1] or len(uris[0]) != 6:
        raise SystemExit(f"the two disagree: {uris}")
    us, them = seconds(ours, data), seconds(theirs, data)
    print(
        json.dumps(
            {
                "what": "filter of a 30-variant master, scan included",
                "bytes": len(data),
                "kawa_ms": round(us * 1000, 3),
                "m3u8_ms": round(them * 1000, 3),
                "times_faster": round(them / us, 2),
            }
        )
    )
