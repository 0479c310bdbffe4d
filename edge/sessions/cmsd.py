"""Common Media Server Data (CTA-5006): what answers tell players about an object and about the way to them."""

from __future__ import annotations

import re
import socket
import struct

from config.contracts.content_types import is_manifest
from edge.structured_fields import Item, write_item

STATIC = "CMSD-Static"
DYNAMIC = "CMSD-Dynamic"
LONGEST_FIELD = 1024  # of another server's, to be passed on

# struct tcp_info of Linux: tcpi_snd_mss, tcpi_rtt (µs), tcpi_snd_cwnd; since Linux 4.9 tcpi_delivery_rate (bytes/s).
_INFO = struct.Struct("=16xI48xI8xI76xQ")
_MOST_KBPS = 10**9  # a rate that no wire has is the loopback's, or a mistake

# Types of object, and of streaming format, as far as a name tells them.
_OBJECTS = {
    **dict.fromkeys(("aac", "m4a", "cmfa", "mp3", "ac3", "ec3"), "a"),
    **dict.fromkeys(("m4v", "cmfv"), "v"),
    **dict.fromkeys(("vtt", "ttml"), "c"),
    "key": "k",
}
_FORMATS = {"m3u8": "h", "mpd": "d", "ts": "h"}
# Folders of the transcoder's tracks (transcode/README.md): 'v720', 'a-ja'.
_TRACK = re.compile(r"(v)\d{3,4}|(a)-[A-Za-z0-9-]{1,35}")


# What the kernel knows of the way to one client: throughput in kbit/s (0: nothing was sent yet), round trip in ms.
Link = tuple[int, int]


def link_of(sock: socket.socket) -> Link | None:
    """The way to the client of a TCP connection; ``None`` where the kernel does not tell."""
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO.size)
    except (OSError, AttributeError):  # TCP_INFO: not on every system
        return None
    if len(info) != _INFO.size:
        return None
    mss, rtt, window, rate = _INFO.unpack(info)
    if not rate and rtt:
        rate = window * mss * 1_000_000 // rtt  # what one round trip may carry
    kbps = rate * 8 // 1000
    return kbps if kbps < _MOST_KBPS else _MOST_KBPS, (rtt + 999) // 1000


class Hop:
    """This server among those that an answer comes through."""

    def __init__(self, node: str) -> None:
        self.name = write_item(Item(node))
        self._whole = self.name.replace("%", "%%") + ";etp=%d;rtt=%d"

    def dynamic(
        self,
        link: Link | None,
        suggested_kbps: int | None = None,
        delay_ms: int | None = None,
        is_pressed: bool = False,
    ) -> str:
        """Its item of CMSD-Dynamic; ``is_pressed``: it has more to do than it can."""
        text = self.name
        if link is not None:
            text = self._whole % link if link[0] else f"{text};rtt={link[1]}"
        if suggested_kbps is not None:
            text = f"{text};mb={suggested_kbps}"
        if delay_ms is not None:
            text = f"{text};rd={delay_ms}"
        return f"{text};du" if is_pressed else text

    def static(self, path: str) -> str:
        """CMSD-Static of an object that is made or kept here, as far as its name tells."""
        folder, _, name = path.rpartition("/")
        suffix = name.rpartition(".")[2].lower()
        track = _TRACK.fullmatch(folder.rpartition("/")[2])
        kind = "m" if is_manifest(path) else _OBJECTS.get(suffix)
        if kind is None and suffix in ("mp4", "m4s"):
            if name.startswith("init"):
                kind = "i"
            elif track is not None:
                kind = track[1] or track[2]
        form = _FORMATS.get(suffix)
        said = f"n={self.name}"
        if kind is not None:
            said += f",ot={kind}"
        if form is not None:
            said += f",sf={form}"
        # What the transcoder makes is never live.
        return said if track is None else f"{said},st=v"
