"""Memory that one cached form of a manifest takes, beside the bytes of the manifest itself."""

from __future__ import annotations

import gc
import tracemalloc

from edge.cache.forms import Form, make_form
from edge.manifests.context import Context
from edge.manifests.pipeline import produce
from edge.manifests.uris import OriginMap

FORMS = 200


async def main() -> None:
    """Make many forms of playlists of two lengths and print what one of them holds."""
    for segments in (240, 6000):
        print(f"one form of {segments} segments: {measure(segments)}")


def measure(segments: int) -> str:
    """Bytes held by one form, as tracemalloc counts them, and by its bodies."""
    context = Context(
        base="https://cdn.example/show/v/media.m3u8",
        origins=OriginMap((("cdn", "https://cdn.example/"),)),
        origin="cdn",
        path="show/v/media.m3u8",
    )
    forms: list[Form] = []
    gc.collect()
    tracemalloc.start()
    for number in range(FORMS if segments < 1000 else FORMS // 10):
        forms.append(make_form(produce(playlist(segments, number), context)))
    gc.collect()
    held = tracemalloc.get_traced_memory()[0] / len(forms)
    tracemalloc.stop()
    form = forms[0]
    bodies = len(form.body) + sum(len(body) for _, body in form.encoded)
    sizes = ", ".join(f"{coding} {len(body)}" for coding, body in form.encoded)
    return (
        f"{held:.0f} bytes held; plain {len(form.body)}, {sizes}; {held / bodies:.2f} x its bodies"
    )


def playlist(segments: int, number: int) -> bytes:
    """A playlist like those in the wild, with URIs that must be rewritten."""
    lines = [b"#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n"]
    for at in range(segments):
        name = f"https://cdn.example/show/v/{number}/{at * 7919 % 10007:05d}/seg-{at}.m4s"
        lines.append(f"#EXTINF:6.006,\n{name}\n".encode())
    return b"".join((*lines, b"#EXT-X-ENDLIST\n"))
