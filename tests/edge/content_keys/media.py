"""Encrypts a small clip as a packager would: AES-128 HLS whose keys rotate, and DASH with ClearKey."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from config.contracts.content_keys import KeyId
from config.runtime.content_keys import content_key, content_kid

FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
SECONDS = 12
SEGMENT_SECONDS = 2
# Of two segments each; the last one is below the next master secret.
ROTATION = (KeyId("m1", 0), KeyId("m1", 1), KeyId("m2", 0))

_MPD = """<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" xmlns:cenc="urn:mpeg:cenc:2013" xmlns:dashif="https://dashif.org/CPS"
 profiles="urn:mpeg:dash:profile:isoff-on-demand:2011" type="static"
 mediaPresentationDuration="PT{seconds}S" minBufferTime="PT2S">
<Period id="0">{sets}</Period></MPD>
"""
_SET = """<AdaptationSet contentType="{kind}" mimeType="{kind}/mp4"
 subsegmentAlignment="true" subsegmentStartsWithSAP="1">
<ContentProtection schemeIdUri="urn:mpeg:dash:mp4protection:2011" value="cenc" cenc:default_KID="{kid}"/>
<ContentProtection schemeIdUri="urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e" value="ClearKey1.0">
<dashif:Laurl>{license}</dashif:Laurl></ContentProtection>
<Representation id="{kind}" bandwidth="300000" codecs="{codecs}"{more}><BaseURL>{kind}.mp4</BaseURL>
<SegmentBase indexRange="{index[0]}-{index[1]}"><Initialization range="0-{init}"/></SegmentBase>
</Representation></AdaptationSet>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packager:
    """One title's keys, and the folder that it is written to."""

    masters: dict[str, bytes]
    title: str
    folder: Path

    def key(self, key_id: KeyId) -> bytes:
        return content_key(self.masters[key_id.master], title=self.title, key_id=str(key_id))

    def clear_key(self, number: int) -> tuple[bytes, bytes]:
        """A KID and its key."""
        master = self.masters["m1"]
        kid = content_kid(master, title=self.title, key_id=KeyId("m1", number))
        return kid, content_key(master, title=self.title, key_id=kid.hex())


def make_clip(path: Path) -> None:
    """Picture and sound that no two moments of are alike."""
    # fmt: off
    run(
        "-f", "lavfi", "-i", f"testsrc2=s=320x180:r=25:d={SECONDS}",
        "-f", "lavfi", "-i", f"sine=f=440:d={SECONDS}:r=48000",
        "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "50", "-sc_threshold", "0",
        "-c:a", "aac", "-b:a", "64k", str(path),
    )
    # fmt: on


def write_hls(clip: Path, packager: Packager, *, key_url: Callable[[KeyId], str]) -> None:
    """``hls.m3u8`` and its segments, each encrypted whole (RFC 8216 section 4.3.2.4)."""
    folder = packager.folder
    # fmt: off
    run(
        "-i", str(clip), "-c", "copy", "-f", "hls", "-hls_time", str(SEGMENT_SECONDS), "-hls_playlist_type", "vod",
        "-hls_segment_filename", str(folder / "%d.ts"), str(folder / "clear.m3u8"),
    )
    # fmt: on
    lines: list[str] = []
    number = 0
    for line in (folder / "clear.m3u8").read_text().splitlines():
        if line.startswith("#EXTINF") and number % 2 == 0:
            key_id = ROTATION[number // 2]
            lines.append(f'#EXT-X-KEY:METHOD=AES-128,URI="{key_url(key_id)}"')
        lines.append(line)
        if line.endswith(".ts"):
            segment = folder / line
            # Section 5.2: without an IV it is the media sequence number.
            iv = number.to_bytes(16, "big")
            segment.write_bytes(_encrypted(segment.read_bytes(), packager.key(key_id), iv))
            number += 1
    assert number == 2 * len(ROTATION)
    (folder / "clear.m3u8").unlink()
    (folder / "hls.m3u8").write_text("\n".join(lines) + "\n")


def write_dash(clip: Path, packager: Packager, *, license_url: str) -> None:
    """``dash.mpd`` with picture and sound under keys of their own (ISO/IEC 23001-7, cenc)."""
    sets = ""
    for number, (kind, codecs, more) in enumerate(
        (
            ("video", "avc1.42c00d", ' width="320" height="180"'),
            ("audio", "mp4a.40.2", ' audioSamplingRate="48000"'),
        )
    ):
        kid, key = packager.clear_key(number)
        path = packager.folder / f"{kind}.mp4"
        # fmt: off
        run(
            "-i", str(clip), "-map", f"0:{kind[0]}", "-c", "copy", "-f", "mp4",
            "-movflags", "dash+global_sidx+frag_keyframe+empty_moov+default_base_moof", "-frag_duration", "2000000",
            "-encryption_scheme", "cenc-aes-ctr", "-encryption_key", key.hex(), "-encryption_kid", kid.hex(),
            str(path),
        )
        # fmt: on
        data = path.read_bytes()
        moov_stop, index = _places(data)
        text = kid.hex()
        parts = (text[:8], text[8:12], text[12:16], text[16:20], text[20:])
        sets += _SET.format(
            kind=kind,
            kid="-".join(parts),
            license=license_url,
            codecs=codecs,
            more=more,
            index=index,
            init=moov_stop - 1,
        )
    mpd = _MPD.format(seconds=SECONDS, sets=sets)
    (packager.folder / "dash.mpd").write_text(mpd)


def frames_of(url: str, *options: str) -> list[str]:
    """The checksums of all decoded pictures."""
    output = subprocess.run(
        [
            FFMPEG,
            "-v",
            "error",
            "-nostdin",
            *options,
            "-i",
            url,
            "-map",
            "0:v:0",
            "-f",
            "framemd5",
            "-",
        ],
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    ).stdout
    return [line.rpartition(",")[2].strip() for line in output.splitlines() if line[:1] != "#"]


def run(*arguments: str) -> None:
    subprocess.run([FFMPEG, "-v", "error", "-nostdin", "-y", *arguments], check=True, timeout=60)


def _encrypted(data: bytes, key: bytes, iv: bytes) -> bytes:
    padder = PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES128(key), modes.CBC(iv)).encryptor()
    return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


def _places(data: bytes) -> tuple[int, tuple[int, int]]:
    """Where the moov box ends, and the first and last byte of the sidx box."""
    position, moov_stop, index = 0, 0, (0, 0)
    while position < len(data):
        size, name = (
            int.from_bytes(data[position : position + 4]),
            data[position + 4 : position + 8],
        )
        if name == b"moov":
            moov_stop = position + size
        elif name == b"sidx" and not index[1]:
            index = (position, position + size - 1)
        position += size
    assert moov_stop
    assert index[1]
    return moov_stop, index
