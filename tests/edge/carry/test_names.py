from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.settings.edge import EdgeSettings
from edge.admin.names import named_as_kept
from edge.cache.tiers.purge import Purge
from edge.errors import BadPath, BadPurge
from edge.manifests.errors import BadReference, ManifestError
from edge.manifests.uris import split
from edge.origin.carried.names import Carrier, Host, Signer, kept_as, read_name
from edge.query import parse_carried_query
from edge.target import parse_target
from tests.edge.carry.hosts import SECRET, carried

SIGNER = Signer(SECRET)

LABELS = st.from_regex(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,8}[A-Za-z0-9])?", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
ADDRESSES = st.ip_addresses().map(lambda ip: f"[{ip}]" if ip.version == 6 else str(ip))
PORTS = st.one_of(st.just(""), st.just(":"), st.integers(1, 65535).map(lambda port: f":{port}"))
PATHS = st.lists(
    st.text("abcXYZ019-._~!$&'()*+,;=:@", min_size=1).filter(
        lambda text: text.partition(";")[0] not in (".", "..")
    ),
    max_size=4,
).map(lambda segments: "".join(f"/{segment}" for segment in segments))
QUERIES = st.one_of(st.just(""), st.text("abc=&%20/?:", max_size=12).map(lambda text: f"?{text}"))


@given(
    scheme=st.sampled_from(["http", "https", "HTTP"]),
    name=NAMES | ADDRESSES,
    port=PORTS,
    path=PATHS,
    query=QUERIES,
)
def test_a_url_becomes_a_path_and_the_path_the_same_url(
    scheme: str, name: str, port: str, path: str, query: str
) -> None:
    url = f"{scheme}://{name}{port}{path}{query}"
    written = Carrier("cdn", SIGNER.mac, most_hosts=1)(url)
    target = parse_target("/t/TOKEN" + written)
    assert target.carried is not None
    assert SIGNER.allows(target.carried)
    host = target.carried.host
    assert host == Host.of("cdn", split(url))
    assert target.scope == written.partition("?")[0]
    assert (target.path, target.query) == (path.removeprefix("/"), query[1:])
    assert kept_as(target.scope[1:]) == (host.name, target.path)
    assert read_name(f"{host.name}/{target.path}".removeprefix("x/")) == (host, target.path)
    again = Host.of("cdn", split(host.base))
    assert again == host


@given(st.text(max_size=60), st.sampled_from(["", "x/", "x/cdn/", "x/cdn/" + "A" * 22 + "/http/"]))
def test_garbage_is_a_refusal_or_a_target(text: str, beginning: str) -> None:
    try:
        target = parse_target(f"/{beginning}{text}")
    except BadPath:
        return
    assert target.carried is None or target.origin.startswith("x/")


@given(
    st.text(max_size=40).map(lambda text: f"http://{text}/a")
    | st.binary(max_size=20).map(lambda raw: f"http://h{raw.decode('utf-8', 'surrogateescape')}")
)
def test_every_url_is_carried_or_refused(url: str) -> None:
    try:
        written = Carrier("cdn", SIGNER.mac, most_hosts=1)(url)
    except ManifestError:
        return
    assert written.startswith("/x/cdn/")
    # A host that got through leaves no way to climb out of its path, and no query or fragment of its own.
    mount = written.split("/")[1:6]
    assert mount[4] not in ("", ".", "..")


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("Far.Example", "far.example"),
        ("far.example:80", "far.example"),
        ("far.example:0080", "far.example"),
        ("far.example:", "far.example"),
        ("far.example:443", "far.example:443"),
        ("[2001:DB8:0:0::1]:80", "[2001:db8::1]"),
        ("[::FFFF:1.2.3.4]:81", "[::ffff:102:304]:81"),
    ],
)
def test_every_spelling_of_a_host_is_one_host(written: str, plain: str) -> None:
    assert Host.of("cdn", split(f"http://{written}/")).authority == plain
    assert Host.of("cdn", split(f"HTTP://{written}")).base == f"http://{plain}/"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://far.example/",
        "http:///a",
        "http://user@far.example/",
        "http://user:pw@far.example/",
        "http://far.example:0/",
        "http://far.example:65536/",
        "http://far.example:8x/",
        "http://f\u00e4r.example/",
        "http://far..example/",
        "http://../",
        "http://%66ar.example/",
        "http://[::1/",
        "http://[v1.a]/",
        "http://far example/",
        "http://" + "a" * 300 + "/",
        "//far.example/",
    ],
)
def test_what_the_edge_would_not_ask_is_not_carried(url: str) -> None:
    with pytest.raises(BadReference) as caught:
        Host.of("cdn", split(url))
    assert "pw" not in str(caught.value)


def test_encoded_brackets_and_colons_are_the_same_host() -> None:
    path = carried("http://[2001:db8::1]:81/a")
    assert "/%5B2001:db8::1%5D:81/" in path
    written = parse_target(path)
    for spelling in (path.replace("%5B", "[").replace("%5D", "]"), path.replace(":81", "%3a81")):
        assert parse_target(spelling) == written


def test_a_query_of_a_carried_url_is_the_hosts_but_for_what_the_edge_put_behind_it() -> None:
    raw = "token=theirs&f.height=1&f=2&CMCD=sid&_HLS_msn=3&a=1"
    kept = parse_carried_query(raw, with_token=False)
    assert (kept.rest, kept.token, kept.filters) == ("token=theirs&f.height=1&f=2&a=1", None, ())
    assert (kept.msn, kept.cmcd) == (3, "sid")
    ours = parse_carried_query(f"{raw}&token=ours", with_token=True)
    assert (ours.rest, ours.token) == (kept.rest, "ours")
    assert parse_carried_query("a=1", with_token=True).token is None


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("x/cdn/http/far.example/a/b.ts", "x/cdn/http/far.example/a/b.ts"),
        ("/x/cdn/http/far.example/", "x/cdn/http/far.example/"),
        ("{path}?q=1", "x/cdn/http/far.example:81/a/b.ts?q=1"),
        ("https://edge.example/t/TOKEN/f/height:..720{path}", "x/cdn/http/far.example:81/a/b.ts"),
    ],
)
def test_a_purge_names_a_carried_file_with_or_without_its_signature(value: str, name: str) -> None:
    path = carried("http://far.example:81/a/b.ts")
    purge = Purge("prefix", value.format(path=path))
    assert named_as_kept(purge, EdgeSettings()).value == name


def test_a_purge_of_half_a_host_is_refused() -> None:
    with pytest.raises(BadPurge):
        named_as_kept(Purge("prefix", "x/cdn/http"), EdgeSettings())
