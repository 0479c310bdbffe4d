"""What a User-Agent claims to be, in few words: the rest of it is never kept."""

from __future__ import annotations

from functools import lru_cache

from config.contracts.sessions import DeviceClass

_LONGEST_AGENT = 1024

# In this order: what says more comes first, since most name others that they wish to be taken for.
_AGENTS: tuple[tuple[str, str], ...] = (
    ("exoplayer", "ExoPlayer"),
    ("androidxmedia3", "ExoPlayer"),
    ("applecoremedia", "AVPlayer"),
    ("avfoundation", "AVPlayer"),
    ("roku", "Roku"),
    ("crkey", "Chromecast"),
    ("libvlc", "VLC"),
    ("vlc/", "VLC"),
    ("kodi", "Kodi"),
    ("lavf/", "FFmpeg"),
    ("gstreamer", "GStreamer"),
    ("libmpv", "mpv"),
    ("mpv", "mpv"),
    ("okhttp", "okhttp"),
    ("curl/", "curl"),
    ("edg/", "Edge"),
    ("edga/", "Edge"),
    ("edgios/", "Edge"),
    ("opr/", "Opera"),
    ("samsungbrowser", "Samsung Internet"),
    ("firefox/", "Firefox"),
    ("fxios/", "Firefox"),
    ("crios/", "Chrome"),
    ("chromium/", "Chrome"),
    ("chrome/", "Chrome"),
    ("safari/", "Safari"),
)
_DEVICES: tuple[tuple[DeviceClass, tuple[str, ...]], ...] = (
    ("console", ("playstation", "xbox", "nintendo")),
    (
        "tv",
        (
            *("smart-tv", "smarttv", "appletv", "apple tv", "googletv", "android tv", "hbbtv"),
            *("roku", "crkey", "bravia", "web0s", "webos", "tizen", "viera", "netcast", "; aft"),
        ),
    ),
    ("tablet", ("ipad", "tablet", "kindle", "silk/")),
    ("phone", ("iphone", "ipod", "mobile", "windows phone")),
    ("tablet", ("android",)),  # those that do not say 'Mobile'
    ("desktop", ("windows nt", "macintosh", "x11", "linux")),
)


@lru_cache(maxsize=4096)
def _family(user_agent: str) -> tuple[str, DeviceClass]:
    text = user_agent.lower()
    agent = next((name for mark, name in _AGENTS if mark in text), "other" if text else "")
    device = next((kind for kind, marks in _DEVICES if any(mark in text for mark in marks)), None)
    return agent, device or "other"


def agent_of(user_agent: str) -> str:
    """The family of a User-Agent; 'other' for one that is not known, empty for none."""
    return _family(user_agent[:_LONGEST_AGENT])[0]


def device_of(user_agent: str) -> DeviceClass:
    """The class of device that a User-Agent claims."""
    return _family(user_agent[:_LONGEST_AGENT])[1]
