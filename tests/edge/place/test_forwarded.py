from __future__ import annotations

import time
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.forwarded import FieldName, address_in, viewer_in

TRUSTED = (ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"))
VIEWER = ip_address("203.0.113.7")


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        pytest.param("203.0.113.7", "203.0.113.7", id="IPv4"),
        pytest.param("203.0.113.7:65535", "203.0.113.7", id="IPv4 with a port"),
        pytest.param("203.0.113.7:_hidden", "203.0.113.7", id="a port by name"),
        pytest.param("2001:db8::1", "2001:db8::1", id="IPv6"),
        pytest.param("[2001:DB8::1]", "2001:db8::1", id="brackets"),
        pytest.param("[2001:db8::1]:443", "2001:db8::1", id="brackets and a port"),
        pytest.param("fe80::1%eth0", "fe80::1", id="a zone"),
        pytest.param("[fe80::1%25eth0]:1", "fe80::1", id="a zone in brackets"),
        pytest.param("::ffff:203.0.113.7", "203.0.113.7", id="mapped"),
        pytest.param("[::ffff:cb00:7107]:1", "203.0.113.7", id="mapped, in hexadecimal"),
        pytest.param("::ffff:203.0.113.7%1", "203.0.113.7", id="mapped, with a zone"),
        pytest.param("[203.0.113.7]", None, id="IPv4 in brackets"),
        pytest.param("unknown", None, id="unknown"),
        pytest.param("_x", None, id="obfuscated"),
        pytest.param("203.0.113.007", None, id="an octal looking part"),
        pytest.param("3405803783", None, id="a number"),
        pytest.param("0xcb007107", None, id="a hexadecimal number"),
        pytest.param("203.0.113", None, id="three parts"),
        pytest.param("203.0.113.7:", None, id="no port"),
        pytest.param("203.0.113.7:1:2", None, id="two ports"),
        pytest.param("203.0.113.7/32", None, id="a network"),
        pytest.param("[2001:db8::1", None, id="half a bracket"),
        pytest.param("[2001:db8::1]443", None, id="no colon"),
        pytest.param("٢٠٣.0.113.7", None, id="digits of another script"),
        pytest.param("203.0.113.7\n", None, id="a line end"),
        pytest.param("fe80::1%", None, id="an empty zone"),
        pytest.param("fe80::1%" + "a" * 9000, None, id="an endless zone"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_an_address_is_read_in_each_of_its_spellings_and_no_other(
    node: str, expected: str | None
) -> None:
    assert address_in(node) == (None if expected is None else ip_address(expected))


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(["203.0.113.7"], True, id="one"),
        pytest.param(
            ["6.6.6.6, 203.0.113.7"], True, id="what the viewer itself sent is left of it"
        ),
        pytest.param(["6.6.6.6,203.0.113.7 ,10.1.1.1,\t10.2.2.2:80"], True, id="past proxies"),
        pytest.param(["6.6.6.6", "203.0.113.7", "[2001:db8:ffff::1]:80"], True, id="in lines"),
        pytest.param(["unknown, 203.0.113.7, 10.1.1.1"], True, id="nonsense further left"),
        pytest.param([",,203.0.113.7,, ,"], True, id="empty elements"),
        pytest.param(["," * 10_000 + "203.0.113.7"], True, id="10 000 commas on the left"),
        pytest.param(["203.0.113.7" + "," * 10_000], False, id="10 000 commas on the right"),
        pytest.param(["203.0.113.7, unknown"], False, id="unknown"),
        pytest.param(["203.0.113.7, _x, 10.1.1.1"], False, id="obfuscated"),
        pytest.param(["203.0.113.7, 10.1.1.1x"], False, id="malformed"),
        pytest.param(["203.0.113.7 10.1.1.1"], False, id="no comma"),
        pytest.param(["203.0.113.7," + "10.1.1.1," * 32], False, id="too many proxies"),
        pytest.param(["203.0.113.7," + " " * 2000 + "10.1.1.1"], False, id="too much room"),
        pytest.param(["10.1.1.1, 10.2.2.2"], False, id="nobody but proxies"),
        pytest.param(["for=203.0.113.7"], False, id="the other field's words"),
        pytest.param([""], False, id="empty"),
        pytest.param([], False, id="missing"),
    ],
)
def test_the_rightmost_address_that_is_no_proxy_is_the_viewer(
    lines: list[str], expected: bool
) -> None:
    found = viewer_in(lines, field="x-forwarded-for", trusted=TRUSTED)
    assert found == (VIEWER if expected else None)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(["for=203.0.113.7"], True, id="plain"),
        pytest.param(['FOR="203.0.113.7:47011";proto=https;by=_x'], True, id="quoted, with a port"),
        pytest.param(["proto=http; for=203.0.113.7 ;"], True, id="room between"),
        pytest.param(['for=203.0.113.7, for="[2001:db8:ffff::1]:80"'], True, id="past a proxy"),
        pytest.param(["for=6.6.6.6", "for=203.0.113.7", "for=10.1.1.1"], True, id="in lines"),
        pytest.param([r'for="203.0\.113.7"'], True, id="a quoted pair"),
        pytest.param(
            ['for=6.6.6.6, for=203.0.113.7;host="a,for=6.6.6.6"'], True, id="a comma in quotes"
        ),
        pytest.param(
            ['for=6.6.6.6, for=203.0.113.7;host="a\\",for=6.6.6.6"'], True, id="an escaped quote"
        ),
        pytest.param(
            ['for=6.6.6.6;host="a\\\\", for=203.0.113.7'], True, id="an escaped backslash"
        ),
        pytest.param(['for="6.6.6.6, for=203.0.113.7'], True, id="a quote left open before"),
        pytest.param(
            ['for="6.6.6.6, for=203.0.113.7;host="a:1", for=10.1.1.1'], True, id="and quotes after"
        ),
        pytest.param(["for=203.0.113.7, for=unknown"], False, id="unknown"),
        pytest.param(["for=203.0.113.7, for=_x"], False, id="obfuscated"),
        pytest.param(["for=203.0.113.7, by=10.1.1.1"], False, id="no for"),
        pytest.param(["for=203.0.113.7;for=203.0.113.7"], False, id="for twice"),
        pytest.param(["for = 203.0.113.7"], False, id="room around ="),
        pytest.param(['for="203.0.113.7'], False, id="an open quote"),
        pytest.param(['for=203.0.113.7"'], False, id="half a quote"),
        pytest.param(["203.0.113.7"], False, id="the other field's words"),
        pytest.param(["for=203.0.113.7" + "," * 10_000], False, id="10 000 commas"),
        pytest.param(["for=203.0.113.7;host=" + "a" * 2000], False, id="too long"),
        pytest.param([], False, id="missing"),
    ],
)
def test_forwarded_is_read_from_the_right_too(lines: list[str], expected: bool) -> None:
    found = viewer_in(lines, field="forwarded", trusted=TRUSTED)
    assert found == (VIEWER if expected else None)


FIELDS: st.SearchStrategy[FieldName] = st.sampled_from(["x-forwarded-for", "forwarded"])
PIECES = st.lists(
    st.sampled_from([",", ";", '"', "\\", "for=", "=", "6.6.6.6", "10.1.1.1", " ", "[", "]", "_x"])
    | st.text(max_size=3),
    max_size=40,
).map("".join)


@given(before=PIECES, field=FIELDS, hops=st.integers(0, 3))
def test_nothing_that_a_viewer_sends_changes_what_proxies_added(
    before: str, field: FieldName, hops: int
) -> None:
    added = ["203.0.113.7", *["10.9.9.9"] * hops]
    if field == "forwarded":
        added = [f'for="{node}:1";host="a:8,for=7.7.7.7"' for node in added]
    line = ", ".join([before, *added])
    assert viewer_in([line], field=field, trusted=TRUSTED) == VIEWER
    assert viewer_in([before, *added], field=field, trusted=TRUSTED) == VIEWER


@given(lines=st.lists(PIECES, max_size=5), field=FIELDS)
def test_any_field_ends_in_an_address_or_nothing(lines: list[str], field: FieldName) -> None:
    found = viewer_in(lines, field=field, trusted=TRUSTED)
    assert found is None or not any(found in network for network in TRUSTED)


@pytest.mark.parametrize(
    "piece", [",", '"', "\\", '"\\', ' "', "a=", "a=b;", " ", "for=1.1.1.1;", "="]
)
@pytest.mark.parametrize("field", ["x-forwarded-for", "forwarded"])
def test_a_long_field_takes_no_long_time(piece: str, field: FieldName) -> None:
    line = (piece * 200_000)[:200_000]
    began = time.process_time()
    for lines in ([line], [line + "x"], ["for=" + line], ['for="' + line], [piece * 500] * 40):
        viewer_in(lines, field=field, trusted=TRUSTED)
    assert time.process_time() - began < 0.5
