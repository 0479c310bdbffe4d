"""What is worked out for a folder is what would be worked out for each URI in it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.manifests.context import Context
from edge.manifests.dash import rewrite as dash
from edge.manifests.errors import ManifestError
from edge.manifests.hls.bulk import bulk
from edge.manifests.hls.rewrite import rewrite, rewrite_scanned
from edge.manifests.hls.scan import scan
from edge.manifests.limits import DEFAULT
from edge.manifests.uris import OriginMap
from edge.origin.carried.names import Carrier, Host, Signer
from tests.edge.carry.hosts import SECRET

SIGNER = Signer(SECRET)
FAR = Host("cdn", "http", "far.example")
ORIGINS = (("cdn", "http://cdn.example/live/"), ("two", "http://two.example/deep/er/"))


def inside(*, carried: bool, by_host: bool) -> Context:
    """The place of a manifest of the origin, or of one on a carried host."""
    mount = FAR.mount(SIGNER.mac(FAR))
    return Context(
        base="http://far.example/show/m.m3u8" if carried else "http://cdn.example/live/show/m.m3u8",
        origins=OriginMap((*ORIGINS, (mount, FAR.base)) if carried else ORIGINS),
        origin=mount if carried else "cdn",
        path="show/m.m3u8",
        unlisted="carry",
        carry=Carrier("cdn", SIGNER.mac, most_hosts=3),
        by_host=by_host,
    )


HOSTS = st.sampled_from(
    [
        "http://far.example",
        "//far.example",
        "https://far.example",
        "http://FAR.example:80",
        "http://cdn.example",
        "http://two.example",
        "http://[::1]:8080",
        "http://u@far.example",
    ]
)
FOLDERS = st.sampled_from(["", "/", "/v/", "/v/w/", "/live/", "/live/show/", "/deep/", "/deep/er/"])
FILES = st.sampled_from(["1.ts", "2.ts?a=/b", "", "?q", "x/3.ts", "../4.ts", "a:b.ts", "5.ts#f"])
URIS = st.lists(
    st.builds("{}{}{}".format, HOSTS, FOLDERS, FILES) | st.sampled_from(["1.ts", "/v/2.ts", "v/3"]),
    min_size=1,
    max_size=6,
)


@given(URIS, st.booleans())
def test_a_playlist_by_folders_is_the_playlist_uri_by_uri(uris: list[str], carried: bool) -> None:
    lines = "".join(f"#EXTINF:4,\n{uri}\n" for uri in uris if uri)
    data = f'#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI="{uris[0]}"\n{lines}'.encode()
    try:
        slow = rewrite_scanned(scan(data), inside(carried=carried, by_host=False)).output
    except ManifestError as error:
        with pytest.raises(type(error)):
            rewrite(data, inside(carried=carried, by_host=True))
        return
    assert rewrite(data, inside(carried=carried, by_host=True)).output == slow


@given(URIS, st.booleans())
def test_an_mpd_by_folders_is_the_mpd_uri_by_uri(uris: list[str], carried: bool) -> None:
    rows = "".join(f'<SegmentURL media="{uri}"/>' for uri in uris)
    data = (
        '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
        f'<Representation id="v" bandwidth="1"><SegmentList duration="4">{rows}</SegmentList>'
        "</Representation></AdaptationSet></Period></MPD>"
    ).encode()
    fast, slow = (inside(carried=carried, by_host=by_host) for by_host in (True, False))
    try:
        expected = dash.rewrite(data, slow, DEFAULT).output
    except ManifestError as error:
        with pytest.raises(type(error)):
            dash.rewrite(data, fast, DEFAULT)
        return
    assert dash.rewrite(data, fast, DEFAULT).output == expected


def test_a_playlist_on_one_carried_host_takes_the_quick_way() -> None:
    lines = b"".join(b"#EXTINF:4,\nhttp://else.example/v/%d.ts\n" % number for number in range(50))
    data = b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n" + lines
    context = inside(carried=True, by_host=True)
    assert bulk(data, context, DEFAULT) == rewrite_scanned(scan(data), context).output
    assert bulk(data, replace(context, by_host=False), DEFAULT) is None
