from __future__ import annotations

import asyncio
from fractions import Fraction
from pathlib import Path

import pytest

from config.contracts.jobs import JobStage
from config.settings.transcode import TranscodeSettings
from tests.transcode.media import (
    AAC,
    H264,
    SETTINGS,
    TONE,
    combed_share,
    first_and_count,
    frame_count,
    make_clip,
    make_set,
    picture,
    read_streams,
    samples,
    standard_clip,
)
from tests.transcode.processes import processes_with
from transcode.errors import SourceUnreadable
from transcode.ffmpeg.binaries import find_tools
from transcode.packaging import rules
from transcode.pipeline import transcode


async def test_a_clip_becomes_hls_and_dash_that_ffmpeg_plays(clip: Path, tmp_path: Path) -> None:
    made = await make_set(clip, tmp_path / "work")

    (rung,) = made.presentation.video
    assert (rung.size.width, rung.size.height, rung.rate) == (320, 180, Fraction(25))
    assert rung.frame_count == frame_count(clip) == 125
    assert rules.check(made.folder) == []
    for manifest in ("master.m3u8", "manifest.mpd"):
        assert first_and_count(made.folder / manifest, "v") == (Fraction(0), 125)
        first_sound, _ = first_and_count(made.folder / manifest, "a")
        assert first_sound == 0


async def test_every_rung_has_every_picture(tmp_path: Path) -> None:
    clip = standard_clip(tmp_path / "clip.mp4", seconds=7, size="1280x720", rate="24")

    made = await make_set(clip, tmp_path / "work")

    assert [(v.size.width, v.size.height) for v in made.presentation.video] == [
        (1280, 720),
        (854, 480),
        (640, 360),
    ]
    assert {video.frame_count for video in made.presentation.video} == {frame_count(clip)} == {168}
    videos = [s for s in read_streams(made.folder / "master.m3u8") if s["codec_type"] == "video"]
    assert [int(stream["nb_read_frames"]) for stream in videos] == [168, 168, 168]
    assert {stream["sample_aspect_ratio"] for stream in videos} == {"1:1"}
    assert {stream["start_time"] for stream in videos} == {"0.000000"}
    # Cut at the same places, a key frame every two seconds, segments of three of them.
    assert {video.seconds for video in made.presentation.video} == {(Fraction(6), Fraction(1))}
    assert [len(video.key_frames) for video in made.presentation.video] == [4, 4, 4]


async def test_film_rate_is_kept_and_counted_in_frames(tmp_path: Path) -> None:
    clip = standard_clip(tmp_path / "film.mkv", seconds=8, rate="24000/1001")

    made = await make_set(clip, tmp_path / "work")

    (rung,) = made.presentation.video
    assert rung.rate == Fraction(24000, 1001)
    assert rung.frame_count == frame_count(clip)
    assert rung.seconds[0] == Fraction(6006, 1000)
    assert rung.target_duration == 6


async def test_a_source_without_sound_gets_no_audio_group(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "silent.mp4", *picture(), *H264, seconds=2)

    made = await make_set(clip, tmp_path / "work")

    assert made.presentation.audio == ()
    assert "AUDIO" not in (made.folder / "master.m3u8").read_text()
    assert first_and_count(made.folder / "manifest.mpd", "v") == (Fraction(0), 50)


async def test_several_languages_become_renditions(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "dub.mkv",
        *(*picture(), *TONE, *TONE, *TONE, "-map", "0", "-map", "1", "-map", "2", "-map", "3"),
        *(*H264, *AAC, "-disposition:a", "0", "-disposition:a:1", "default"),
        *("-metadata:s:a:0", "language=jpn", "-metadata:s:a:1", "language=eng"),
        *("-metadata:s:a:2", "language=eng"),
        seconds=2,
    )

    made = await make_set(clip, tmp_path / "work")

    assert [(a.name, a.title, a.is_default) for a in made.presentation.audio] == [
        ("a-ja", "日本語", False),
        ("a-en", "English", True),
        ("a-en.2", "English 2", False),
    ]
    sounds = [s for s in read_streams(made.folder / "master.m3u8") if s["codec_type"] == "audio"]
    assert len(sounds) == 3
    assert {(s["profile"], s["sample_rate"], s["channels"]) for s in sounds} == {("LC", "48000", 2)}


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        pytest.param("portrait.mp4", (*picture("360x640"), *H264), (360, 640), id="portrait"),
        pytest.param("odd.mkv", (*picture("321x181"), "-c:v", "ffv1"), (320, 180), id="odd sides"),
        pytest.param(
            "anamorphic.mkv",
            (*picture("180x288"), "-vf", "setsar=64/45", *H264),
            (256, 288),
            id="pixels that are not square",
        ),
    ],
)
async def test_pictures_keep_their_shape(
    name: str, arguments: tuple[str, ...], expected: tuple[int, int], tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / name, *arguments, seconds=1)

    made = await make_set(clip, tmp_path / "work")

    (rung,) = made.presentation.video
    assert (rung.size.width, rung.size.height) == expected
    (stream,) = read_streams(made.folder / "master.m3u8")
    assert (stream["width"], stream["height"], stream["sample_aspect_ratio"]) == (*expected, "1:1")


async def test_a_turned_recording_is_turned_for_good(tmp_path: Path) -> None:
    plain = make_clip(tmp_path / "plain.mp4", *picture(), *H264, seconds=1)
    clip = make_clip(tmp_path / "t.mp4", "-display_rotation", "90", "-i", str(plain), "-c", "copy")

    made = await make_set(clip, tmp_path / "work")

    (stream,) = read_streams(made.folder / "master.m3u8")
    assert (stream["width"], stream["height"]) == (180, 320)
    assert not stream.get("side_data_list")


async def test_a_variable_rate_becomes_constant(tmp_path: Path) -> None:
    # Two seconds at 30 frames per second, then every third picture only: 20 on average.
    clip = make_clip(
        tmp_path / "phone.mp4",
        *picture(rate="30"),
        *("-vf", "select='lt(t,2)+not(mod(n,3))'", "-fps_mode", "vfr", *H264),
        seconds=4,
    )

    made = await make_set(clip, tmp_path / "work")

    (rung,) = made.presentation.video
    assert rung.rate == Fraction(24000, 1001)
    assert float(rung.duration) == pytest.approx(4, abs=0.1)
    assert rung.frame_count == rung.duration * rung.rate


async def test_interlaced_pictures_are_made_progressive(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "tv.mpg",
        *picture("352x288", "50"),
        *("-vf", "tinterlace=interleave_top,setfield=tff", "-c:v", "mpeg2video"),
        *("-flags", "+ilme+ildct", "-q:v", "3"),
        seconds=2,
    )

    made = await make_set(clip, tmp_path / "work")

    assert combed_share(clip) > 0.9
    assert combed_share(made.folder / "master.m3u8") < 0.1
    assert made.presentation.video[0].frame_count == 50


async def test_hdr_pictures_become_sdr(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "hdr.mkv",
        *picture("128x72"),
        *("-vf", "format=yuv420p10le,setparams=color_primaries=bt2020:color_trc=smpte2084"),
        *("-colorspace", "bt2020nc", "-c:v", "ffv1"),
        seconds=1,
    )

    made = await make_set(clip, tmp_path / "work")

    (stream,) = read_streams(made.folder / "master.m3u8")
    assert stream["pix_fmt"] == "yuv420p"
    assert (stream["color_transfer"], stream["color_primaries"]) == ("bt709", "bt709")


async def test_sound_stays_in_step_with_the_pictures(tmp_path: Path) -> None:
    # Silence, then a tone from 2.5 s on: in the source at sample 120 000 of 48 kHz.
    clip = make_clip(
        tmp_path / "beep.mkv",
        *picture(),
        *("-f", "lavfi", "-i", "sine=frequency=1000:sample_rate=48000"),
        *("-af", "volume='gte(t,2.5)':eval=frame,asetnsamples=480", *H264, "-c:a", "pcm_s16le"),
        seconds=5,
    )

    made = await make_set(clip, tmp_path / "work")

    def onset(path: Path) -> int:
        return next(n for n, sample in enumerate(samples(path)) if abs(sample) > 1000)

    # AAC spreads the beginning of a tone over a part of a frame, about 5 ms.
    assert onset(made.folder / "master.m3u8") == pytest.approx(onset(clip), abs=300)


async def test_a_track_that_starts_late_is_padded(tmp_path: Path) -> None:
    plain = standard_clip(tmp_path / "plain.mp4", seconds=3)
    clip = make_clip(
        tmp_path / "late.mkv",
        *("-i", str(plain), "-itsoffset", "1", "-i", str(plain)),
        *("-map", "0:v", "-map", "1:a", "-c", "copy"),
    )

    made = await make_set(clip, tmp_path / "work")

    sound = samples(made.folder / "master.m3u8")
    first = next(n for n, sample in enumerate(sound) if abs(sample) > 500)
    assert first == pytest.approx(48_000, abs=1200)


async def test_sound_that_outlasts_the_pictures_is_cut(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "tail.mkv",
        *("-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25:duration=2"),
        *("-f", "lavfi", "-i", "sine=duration=9", *H264, *AAC),
    )

    made = await make_set(clip, tmp_path / "work")

    (sound,) = made.presentation.audio
    assert 0 <= sound.duration - made.presentation.duration < Fraction(1024, 48_000)


async def test_segments_follow_the_setting(clip: Path, tmp_path: Path) -> None:
    settings = TranscodeSettings(preset="ultrafast", segment_seconds=2)

    made = await make_set(clip, tmp_path / "work", settings)

    assert made.presentation.video[0].seconds == (Fraction(2), Fraction(2), Fraction(1))
    assert len(made.presentation.audio[0].segments) == 3


async def test_a_tail_of_a_few_frames_belongs_to_the_segment_before_it(tmp_path: Path) -> None:
    clip = standard_clip(tmp_path / "clip.mp4", seconds=6.12)

    made = await make_set(clip, tmp_path / "work")

    assert [float(s) for s in made.presentation.video[0].seconds] == [6.12]
    (sound,) = made.presentation.audio
    assert len(sound.segments) == 1
    assert rules.check(made.folder) == []
    assert "#EXT-X-TARGETDURATION:6\n" in (made.folder / "v180" / "media.m3u8").read_text()


async def test_progress_goes_through_every_stage(clip: Path, tmp_path: Path) -> None:
    made = await make_set(clip, tmp_path / "work")

    stages = list(dict.fromkeys(stage for stage, _ in made.reports))
    assert stages == [JobStage.PROBE, JobStage.ENCODE, JobStage.PACKAGE]


async def test_damaged_pictures_are_refused_and_not_published_short(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mp4", *picture(), *H264, seconds=3)
    body = bytearray(clip.read_bytes())
    # The index behind the pictures stays whole, so the container looks right.
    hole = slice(len(body) // 4, len(body) * 3 // 4)
    body[hole] = bytes(hole.stop - hole.start)
    clip.write_bytes(bytes(body))

    with pytest.raises(SourceUnreadable) as caught:
        await make_set(clip, tmp_path / "work")

    assert "damaged" in str(caught.value)


async def test_a_cancelled_job_leaves_no_encoder(long_clip: Path, tmp_path: Path) -> None:
    encoding = asyncio.Event()

    def report(stage: JobStage, share: float) -> None:
        if stage is JobStage.ENCODE and share > 0:
            encoding.set()

    work = tmp_path / "work"
    work.mkdir()
    job = asyncio.create_task(
        transcode(
            long_clip, work, tools=await find_tools(SETTINGS), settings=SETTINGS, report=report
        )
    )
    await encoding.wait()
    assert processes_with(str(work))
    loop = asyncio.get_running_loop()
    started = loop.time()

    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job

    assert loop.time() - started < 2
    assert not processes_with(str(work))
