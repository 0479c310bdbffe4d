"""What tests of the edge share: the files of a title, and a client that changes nothing on the way."""

from __future__ import annotations

from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from multidict import CIMultiDict
from yarl import URL

SEGMENT = bytes(range(256)) * 4000  # 1 024 000 bytes
MPD = (
    b'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" profiles="urn:mpeg:dash:profile:isoff-live:2011">'
    b'<Period id="0"><AdaptationSet mimeType="video/mp4"><SegmentTemplate media="$RepresentationID$/$Number$.m4s" '
    b'initialization="$RepresentationID$/init.mp4" duration="6"/><Representation id="v" bandwidth="1"/>'
    b"</AdaptationSet></Period></MPD>"
)
MASTER = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv/media.m3u8\n"


class Client:
    """Asks exactly what it is told to: no path is normalised on the way."""

    def __init__(self, session: ClientSession, server: TestServer) -> None:
        self._session = session
        self.base = f"http://{server.host}:{server.port}"

    async def ask(
        self, path: str, *, method: str = "GET", **headers: str
    ) -> tuple[int, CIMultiDict[str], bytes]:
        fields = {"Accept-Encoding": "identity"}
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        url = URL(self.base + path, encoded=True)
        async with self._session.request(
            method, url, headers=fields, allow_redirects=False
        ) as answer:
            return answer.status, CIMultiDict(answer.headers), await answer.read()
