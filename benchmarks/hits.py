"""Answers from memory: manifests, small and large files, beside nginx from its cache."""

from __future__ import annotations

import base64
import hmac
import time
from urllib.parse import quote

from benchmarks.options import Options
from benchmarks.programs import LUA
from benchmarks.servers import LARGE_BYTES, nginx_lua
from benchmarks.stage import Stage, hit_row, load_of, stage
from benchmarks.table import Row

PROGRAMS = ("nginx", "wrk", "taskset", LUA)
MANIFEST = "manifest hit: token checked, filtered, 240 segments"


def measure(options: Options) -> list[Row]:
    """Manifests plain and compressed, 16 KB, 2 MB."""
    with stage(options) as on:
        return [
            *manifests(on),
            lua(on),
            hit_row(
                on,
                work="hit 16 KB",
                peer="nginx `proxy_cache`",
                ours=on.kawa.path("small.m4s"),
                theirs="/small.m4s",
                right=(on.www / "small.m4s").read_bytes().__eq__,
                least=1.0,
                load=load_of(options),
            ),
            hit_row(
                on,
                work="hit 2 MB",
                peer="nginx `proxy_cache`",
                ours=on.kawa.path("large-0.m4s"),
                theirs="/large-0.m4s",
                right=(on.www / "large-0.m4s").read_bytes().__eq__,
                least=2.0,
                load=load_of(options, connections=16),
                body_bytes=LARGE_BYTES,
            ),
        ]


def manifests(on: Stage) -> list[Row]:
    """The ready file from nginx, without any token, against the checked and filtered one from Kawa."""
    return [
        hit_row(
            on,
            work=work,
            peer="nginx `proxy_cache` of the ready file, no token",
            ours=on.kawa.path("media.m3u8", filtered=True),
            theirs="/media.m3u8",
            right=right,
            least=1.0,
            load=load_of(on.options, headers={"Accept-Encoding": encodings}),
        )
        for work, encodings, right in (
            (MANIFEST, "identity", whole),
            (f"{MANIFEST}, compressed", "gzip, deflate, br", packed),
        )
    ]


def lua(on: Stage) -> Row:
    """nginx + Lua checks a signed query and puts it behind every URI, for each viewer anew."""
    expires = str(int(time.time()) + 3600)
    digest = hmac.digest(b"benchmark", f"/media.m3u8{expires}".encode(), "sha1")
    signature = quote(base64.b64encode(digest).decode(), safe="")
    with nginx_lua(on.folder, on.origin) as other:
        return hit_row(
            on,
            work=MANIFEST,
            peer="nginx + Lua: token checked, every URI rewritten per viewer",
            ours=on.kawa.path("media.m3u8", filtered=True),
            theirs=f"/media.m3u8?e={expires}&s={signature}",
            right=whole,
            least=5.0,
            load=load_of(on.options, headers={"Accept-Encoding": "identity"}),
            against=other,
        )


def whole(body: bytes) -> bool:
    """Whether all segments are named."""
    return body.count(b"#EXTINF") == 240


def packed(body: bytes) -> bool:
    """Whether this is a compressed form of it."""
    return b"#EXTM3U" not in body and 200 < len(body) < 4000
