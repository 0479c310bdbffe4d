from __future__ import annotations

from array import array
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.transcode.media import AAC, H264, TONE, make_clip, picture
from transcode.errors import BadTrack
from transcode.packaging.boxes import (
    SEGMENT_TYPE,
    box,
    children,
    read_fragments,
    read_init,
    read_track,
    write_fragment,
)

FRAGMENTED = ("-movflags", "+cmaf+frag_keyframe+delay_moov+default_base_moof", "-g", "25")


@pytest.fixture(scope="module")
def video_track(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tracks") / "video.mp4"
    return make_clip(
        path, *picture("64x64"), "-c:v", "libx264", "-pix_fmt", "yuv420p", *FRAGMENTED, seconds=2.2
    )


@pytest.fixture(scope="module")
def audio_track(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tracks") / "audio.mp4"
    return make_clip(path, *TONE, *AAC, "-movflags", "+cmaf+empty_moov", seconds=1)


def test_a_video_track_is_read(video_track: Path) -> None:
    track = read_track(video_track)

    assert track.init.codec.startswith("avc1.6400")
    assert (track.init.width, track.init.height) == (64, 64)
    assert track.sample_count == 55
    assert track.duration * 25 == 55 * track.init.timescale
    assert [len(fragment.sizes) for fragment in track.fragments] == [25, 25, 5]
    assert all(f.starts_with_sync and f.sync_count == 1 for f in track.fragments)
    # Pictures out of order: the first is shown at 0 by the one edit.
    assert track.init.edit_start == track.fragments[0].first_composition > 0
    assert "cmfc" in track.init.brands


def test_an_audio_track_is_read(audio_track: Path) -> None:
    init = read_track(audio_track).init

    assert (init.codec, init.sample_rate, init.timescale) == ("mp4a.40.2", 44100, 44100)


def test_a_written_fragment_reads_back(audio_track: Path, tmp_path: Path) -> None:
    init = read_track(audio_track).init
    sizes = array("I", [100, 3, 70_000])
    head = write_fragment(
        sequence=1, track_id=init.track_id, decode_time=2**33, sample_duration=1024, sizes=sizes
    )
    path = tmp_path / "1.m4s"
    path.write_bytes(SEGMENT_TYPE + head + bytes(sum(sizes)))

    (fragment,) = read_fragments(path, init)

    assert fragment.sizes == sizes
    assert fragment.decode_time == 2**33
    assert fragment.duration == 3 * 1024
    assert fragment.offset == len(SEGMENT_TYPE)
    assert fragment.offset + fragment.size_bytes == path.stat().st_size


@given(st.binary(max_size=300))
def test_garbage_as_boxes_is_our_error(data: bytes) -> None:
    try:
        list(children(data))
        read_init(data)
    except BadTrack:
        return
    pytest.fail("garbage was read as an initialization segment")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(data=st.data())
def test_a_damaged_track_is_our_error_or_a_value(
    data: st.DataObject, video_track: Path, tmp_path: Path
) -> None:
    body = bytearray(video_track.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        # Where the boxes are: media data cannot confuse a reader of boxes.
        at = data.draw(st.integers(0, min(len(body), 1400) - 1))
        body[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.mp4"
    path.write_bytes(bytes(body[: data.draw(st.integers(0, len(body)))]))

    try:
        track = read_track(path)
    except BadTrack:
        return
    assert track.init.timescale > 0


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(box(b"ftyp", b"isom") + box(b"moov"), id="an empty movie"),
        pytest.param(b"\0\0\0\1moov" + b"\xff" * 8, id="a length of 2^64"),
        pytest.param(box(b"free") * 10_000, id="endless boxes"),
    ],
)
def test_what_is_no_initialization_segment_is_refused(data: bytes) -> None:
    with pytest.raises(BadTrack):
        read_init(data)


def test_a_file_that_is_not_fragmented_is_refused(tmp_path: Path) -> None:
    plain = make_clip(tmp_path / "plain.mp4", *picture("64x64"), *H264, seconds=0.2)

    with pytest.raises(BadTrack):
        read_track(plain)
