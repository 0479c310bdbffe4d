"""Cuts track files into an initialization segment and numbered media segments."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

from config.runtime.threads import Checkpoint
from transcode.errors import BadTrack
from transcode.ffmpeg.command import AAC_FRAME
from transcode.ladder import Grid, Size
from transcode.packaging.boxes import SEGMENT_TYPE, Fragment, Track, read_track, write_fragment
from transcode.packaging.renditions import (
    INIT_NAME,
    AudioRendition,
    KeyFrame,
    Segment,
    VideoRendition,
)
from transcode.probe import AudioTrack

_COPY_BYTES = 2**20
_SHORTEST_TAIL = Fraction(49, 100)  # seconds


def cut_video(
    source: Path, folder: Path, *, name: str, grid: Grid, checkpoint: Checkpoint
) -> VideoRendition:
    """Cut a video track: every segment is a whole number of GOPs and starts with a key frame."""
    track = read_track(source)
    target = _open_folder(folder, name, track)
    segments: list[Segment] = []
    key_frames: list[KeyFrame] = []
    _check_gops(track, grid)
    groups = _groups(track.fragments, grid)
    with source.open("rb") as file:
        for number, group in enumerate(groups, start=1):
            checkpoint()
            start, end = group[0].offset, group[-1].offset + group[-1].size_bytes
            with (target / f"{number}.m4s").open("wb") as segment:
                segment.write(SEGMENT_TYPE)
                _copy(file, segment, start, end)
            segments.append(
                Segment(
                    duration=sum(fragment.duration for fragment in group),
                    size_bytes=len(SEGMENT_TYPE) + end - start,
                )
            )
            key_frames += [_key_frame(fragment, number, start) for fragment in group]
    return VideoRendition(
        name=name,
        codec=track.init.codec,
        timescale=track.init.timescale,
        segments=tuple(segments),
        size=Size(width=track.init.width, height=track.init.height),
        rate=grid.rate,
        frame_count=track.sample_count,
        key_frames=tuple(key_frames),
    )


def _groups(fragments: Sequence[Fragment], grid: Grid) -> list[list[Fragment]]:
    """The GOPs of every segment; a tail too short to stand alone belongs to the segment before it.

    hls.js was seen to wait for ever at the end of a sound segment of one AAC frame. With less than half a second more
    the segment's length still rounds to the target duration (RFC 8216 section 4.3.3.1).
    """
    gops = grid.segment_frames // grid.gop_frames
    groups = [list(fragments[at : at + gops]) for at in range(0, len(fragments), gops)]
    tail = sum(len(fragment.sizes) for fragment in groups[-1])
    if len(groups) > 1 and tail / grid.rate < _SHORTEST_TAIL:
        groups[-2:] = [groups[-2] + groups[-1]]
    return groups


def cut_audio(
    source: Path,
    folder: Path,
    *,
    name: str,
    title: str,
    track: AudioTrack,
    is_default: bool,
    boundaries: Sequence[Fraction],
    checkpoint: Checkpoint,
) -> AudioRendition:
    """Cut a sound track at the AAC frames nearest to the pictures' segment ends, and end it there.

    Fragments are written anew: ffmpeg's own end wherever its clock says.
    """
    file = read_track(source)
    init = file.init
    if init.is_video or init.sample_rate == 0 or init.timescale != init.sample_rate:
        raise BadTrack("an audio track with another timescale than its sample rate")
    target = _open_folder(folder, name, file)
    sizes = array("I")
    places: list[
        tuple[int, int]
    ] = []  # where each fragment's samples start, and the first's number
    for fragment in file.fragments:
        places.append((fragment.data_offset, len(sizes)))
        sizes += fragment.sizes
    segments: list[Segment] = []
    with source.open("rb") as reader:
        for first, last in frame_ranges(boundaries, init.sample_rate, frame_count=len(sizes)):
            checkpoint()
            head = SEGMENT_TYPE + write_fragment(
                sequence=len(segments) + 1,
                track_id=init.track_id,
                decode_time=first * AAC_FRAME,
                sample_duration=AAC_FRAME,
                sizes=sizes[first:last],
            )
            with (target / f"{len(segments) + 1}.m4s").open("wb") as segment:
                segment.write(head)
                for start, end in _byte_ranges(places, sizes, first, last):
                    _copy(reader, segment, start, end)
            segments.append(
                Segment(
                    duration=(last - first) * AAC_FRAME,
                    size_bytes=len(head) + sum(sizes[first:last]),
                )
            )
    return AudioRendition(
        name=name,
        codec=init.codec,
        timescale=init.timescale,
        segments=tuple(segments),
        language=track.language,
        title=title,
        is_default=is_default,
        channel_count=init.channel_count,
        sample_rate=init.sample_rate,
    )


def frame_ranges(
    boundaries: Sequence[Fraction], sample_rate: int, *, frame_count: int
) -> list[tuple[int, int]]:
    """First and last (exclusive) AAC frame of every segment; sound covers the last picture."""
    frames = [round(boundary * sample_rate / AAC_FRAME) for boundary in boundaries[:-1]]
    end = boundaries[-1] * sample_rate / AAC_FRAME
    frames = [0, *frames, -(-end.numerator // end.denominator)]
    edges = sorted({min(frame, frame_count) for frame in frames})
    return list(pairwise(edges))


def segment_ends(video: VideoRendition) -> list[Fraction]:
    """The time at which every segment ends, in seconds."""
    ends, now = [], Fraction(0)
    for seconds in video.seconds:
        now += seconds
        ends.append(now)
    return ends


def _check_gops(track: Track, grid: Grid) -> None:
    if not track.init.is_video or not track.fragments:
        raise BadTrack("a video track without a picture")
    for number, fragment in enumerate(track.fragments):
        is_last = number == len(track.fragments) - 1
        full = len(fragment.sizes) == grid.gop_frames
        if not fragment.starts_with_sync or not (
            full or (is_last and len(fragment.sizes) < grid.gop_frames)
        ):
            raise BadTrack(f"GOP {number} has {len(fragment.sizes)} pictures off the grid")


def _key_frame(fragment: Fragment, segment: int, start: int) -> KeyFrame:
    data_bytes = fragment.data_offset - fragment.offset
    return KeyFrame(
        segment=segment,
        offset=len(SEGMENT_TYPE) + fragment.offset - start,
        size_bytes=data_bytes + fragment.sizes[0],
        duration=fragment.duration,
    )


def _byte_ranges(
    places: Sequence[tuple[int, int]], sizes: array[int], first: int, last: int
) -> Iterator[tuple[int, int]]:
    """Where the samples ``first`` to ``last`` lie in the source file; ``places`` by their first sample."""
    number = bisect_right(places, first, key=lambda place: place[1]) - 1
    while first < last:
        offset, start = places[number]
        end = places[number + 1][1] if number + 1 < len(places) else len(sizes)
        stop = min(last, end)
        begin = offset + sum(sizes[start:first])
        yield begin, begin + sum(sizes[first:stop])
        first, number = stop, number + 1


def _open_folder(folder: Path, name: str, track: Track) -> Path:
    target = folder / name
    target.mkdir(parents=True)
    (target / INIT_NAME).write_bytes(track.head)
    return target


def _copy(reader: BinaryIO, writer: BinaryIO, start: int, end: int) -> None:
    reader.seek(start)
    left = end - start
    while left:
        chunk = reader.read(min(left, _COPY_BYTES))
        if not chunk:
            raise BadTrack("a track file ended while it was read")
        writer.write(chunk)
        left -= len(chunk)
