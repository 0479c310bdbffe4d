from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transcode.media import AAC, FFPROBE, H264, TONE, make_clip, picture, standard_clip
from transcode.errors import BadSource
from transcode.ladder import Size
from transcode.probe import Source, Span, add_packet, display_size, probe


async def look(path: Path, *, max_duration: timedelta = timedelta(hours=1)) -> Source:
    return await probe(path, ffprobe=FFPROBE, max_duration=max_duration)


async def refusal(path: Path) -> str:
    with pytest.raises(BadSource) as caught:
        await look(path)
    assert str(path) not in str(caught.value), "a message for people names no folder of the worker"
    return caught.value.code


async def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.touch()

    assert await refusal(path) == "source-empty"


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"Dear Kawa, please find attached my film.\n" * 100, id="text"),
        pytest.param(bytes(range(256)) * 40, id="noise"),
        pytest.param(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", id="a playlist"),
        pytest.param(b"ffconcat version 1.0\nfile /etc/passwd\n", id="a concat script"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(100), id="a picture"),
    ],
)
async def test_what_is_no_media_file_is_refused(body: bytes, tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(body)

    assert await refusal(path) == "source-unreadable"


async def test_sound_alone_is_refused(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "sound.m4a", *TONE, *AAC, seconds=1)

    assert await refusal(path) == "no-video"


async def test_a_cover_is_no_video(tmp_path: Path) -> None:
    cover = make_clip(tmp_path / "cover.png", *picture(), "-frames:v", "1")
    path = make_clip(
        tmp_path / "song.m4a",
        *TONE,
        *("-i", str(cover), "-map", "0", "-map", "1", "-c:v", "copy"),
        *(*AAC, "-disposition:v:0", "attached_pic"),
        seconds=1,
    )

    assert await refusal(path) == "no-video"


@pytest.mark.parametrize(
    ("name", "arguments", "kept"),
    [
        pytest.param("late.mp4", (), 0.6, id="mp4 without its index"),
        pytest.param(
            "early.mp4", ("-movflags", "+faststart"), 0.5, id="mp4 with its index in front"
        ),
        pytest.param("nearly.mp4", ("-movflags", "+faststart"), 0.85, id="mp4, nearly whole"),
        pytest.param("film.mkv", (), 0.5, id="matroska"),
        pytest.param("start.mp4", ("-movflags", "+faststart"), 0.01, id="mp4, only its beginning"),
    ],
)
async def test_a_cut_file_is_refused(
    name: str, arguments: tuple[str, ...], kept: float, tmp_path: Path
) -> None:
    path = make_clip(tmp_path / name, *picture(), *TONE, *H264, *AAC, *arguments, seconds=5)
    body = path.read_bytes()
    path.write_bytes(body[: int(len(body) * kept)])

    assert await refusal(path) == "source-truncated"


async def test_a_source_that_is_too_long_is_refused(clip: Path) -> None:
    with pytest.raises(BadSource) as caught:
        await look(clip, max_duration=timedelta(seconds=4))

    assert caught.value.code == "source-too-long"


async def test_a_plain_clip_is_described(clip: Path) -> None:
    source = await look(clip)

    assert source.video.size == Size(width=320, height=180)
    assert source.video.rate == 25
    assert source.video.packet_count == 125
    assert source.video.duration == pytest.approx(5)
    assert [track.language for track in source.audio] == ["und"]


async def test_languages_and_titles_are_read(tmp_path: Path) -> None:
    path = make_clip(
        tmp_path / "dub.mkv",
        *(*picture(), *TONE, *TONE, "-map", "0", "-map", "1", "-map", "2", *H264, *AAC),
        *("-metadata:s:a:0", "language=jpn", "-metadata:s:a:1", "language=eng"),
        *("-metadata:s:a:1", 'title=English "dub"', "-disposition:a:1", "default"),
        *("-disposition:a:0", "0"),
        seconds=1,
    )

    audio = (await look(path)).audio

    assert [(track.language, track.title, track.is_default) for track in audio] == [
        ("ja", "", False),
        ("en", "English dub", True),
    ]


async def test_a_matroska_file_with_rounded_times_keeps_its_rate(tmp_path: Path) -> None:
    path = standard_clip(tmp_path / "film.mkv", rate="24000/1001", seconds=3)

    assert (await look(path)).video.rate == Fraction(24000, 1001)


async def test_an_upload_in_transport_stream_form_is_accepted(tmp_path: Path) -> None:
    path = standard_clip(tmp_path / "film.ts", seconds=2)

    source = await look(path)

    assert source.video.packet_count == 50
    assert source.video.start > 1  # its clock does not begin at 0


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        pytest.param({"sample_aspect_ratio": "1:1"}, (720, 576), id="square"),
        pytest.param({"sample_aspect_ratio": "64:45"}, (1024, 576), id="anamorphic"),
        pytest.param({"sample_aspect_ratio": "0:1"}, (720, 576), id="not known"),
        pytest.param({"sample_aspect_ratio": "1000000:1"}, (720, 576), id="damaged"),
        pytest.param({"side_data_list": [{"rotation": -90}]}, (576, 720), id="turned"),
        pytest.param({"side_data_list": [{"rotation": 180}]}, (720, 576), id="upside down"),
        pytest.param({"tags": {"rotate": "270"}}, (576, 720), id="turned, the old way"),
    ],
)
def test_the_shown_size(stream: dict[str, object], expected: tuple[int, int]) -> None:
    size = display_size({"width": 720, "height": 576, **stream})

    assert (size.width, size.height) == expected


@pytest.mark.parametrize("width", [0, -1, 100_000, "many", None])
def test_pictures_of_no_real_size_are_refused(width: object) -> None:
    with pytest.raises(BadSource):
        display_size({"width": width, "height": 576})


@given(st.lists(st.binary(max_size=60)))
def test_any_packet_list_is_counted_or_skipped(lines: list[bytes]) -> None:
    spans: dict[int, Span] = {}

    for line in lines:
        add_packet(spans, line)

    assert all(span.packet_count > 0 for span in spans.values())
