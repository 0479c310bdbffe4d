from __future__ import annotations

import base64
import contextlib
import json

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.launch.tokens.errors import NotAToken
from config.launch.tokens.forms import form_of
from config.launch.tokens.inspected import as_text, inspect


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def jose(*parts: object) -> str:
    return ".".join(encoded(json.dumps(part).encode()) for part in parts)


_LINK = "https://media.example.com/vod/1.m4s"
_COSE = [b"\xa1\x01\x05", {4: b"k"}, cbor2.dumps({4: 1_800_000_000, 312: {3: {1: "/vod/"}}}), b"x"]
FORMS = [
    pytest.param(jose({"alg": "x"}, {"paths": []}, "s"), "jws", "kawa", id="jws"),
    pytest.param(jose({"alg": "x"}, {"cdniuc": "hash:x"}, "s"), "jws", "uri-signing", id="uri"),
    pytest.param(jose({"cdniuc": "hash:x"}, "s"), "jws", "uri-signing", id="without its header"),
    pytest.param(jose({"alg": "dir"}, "", "n", "c", "t"), "jwe", "", id="jwe"),
    pytest.param(encoded(cbor2.dumps(_COSE)), "cwt", "cat", id="cwt"),
    pytest.param(encoded(cbor2.dumps(_COSE)) + "=", "cwt", "cat", id="padded cwt"),
    pytest.param(f"/t/{encoded(cbor2.dumps(_COSE))}/vod/1", "cwt", "cat", id="cwt in a path"),
    pytest.param(f"{_LINK}?CTA-Common-Access-Token={encoded(cbor2.dumps(_COSE))}", "cwt", "cat", id="cwt in a query"),
    pytest.param(f"{_LINK}?E=1&A=1&K=3&P=1&S=ab", "link", "url-sig", id="url-sig"),
    pytest.param(f"{_LINK[:-8]};sig={encoded(b';E=1;A=1;K=3;P=1;S=ab')}/1.m4s", "link", "url-sig", id="anchor"),
    pytest.param(f"{_LINK}?md5={'a' * 22}&expires=1", "link", "secure-link", id="secure-link"),
    pytest.param(f"https://x.example/vod/{'0' * 32}/1.m4s", "link", "secure-link", id="old secure-link"),
    pytest.param(f"{_LINK}?Expires=1&Signature=a&Key-Pair-Id=K", "link", "cloudfront", id="cloudfront"),
    pytest.param(f"{_LINK}?hdnts=exp=1~acl=/*~hmac=ab", "link", "akamai", id="akamai"),
    pytest.param(f"{_LINK}?hdnts=exp%3D1~acl%3D/*~hmac%3Dab", "link", "akamai", id="encoded akamai"),
    pytest.param("/vod/hdntl=exp=1~acl=!*~hmac=ab/1.m4s", "link", "akamai", id="akamai in the path"),
    pytest.param("exp=1~acl=/*~hmac=ab", "link", "akamai", id="akamai alone"),
    pytest.param(encoded(b"sub=v&exp=1&kid=k&md=ab"), "link", "access-control", id="access-control"),
    pytest.param(f"{_LINK}?t={encoded(b'sub=v&exp=1&kid=k&md=ab')}", "link", "access-control", id="in a query"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "kind", "scheme"), FORMS)
def test_a_scheme_is_known_by_its_form(text: str, kind: str, scheme: str) -> None:
    form = form_of(text)

    assert (form.kind, form.scheme) == (kind, scheme)
    shown = inspect(text)
    assert shown["scheme"] == (scheme or None)
    assert as_text(shown).startswith(f"form    {kind}\n")
    json.dumps(shown)


def test_numbers_of_a_cwt_are_shown_as_names() -> None:
    shown = inspect(encoded(cbor2.dumps(cbor2.CBORTag(61, cbor2.CBORTag(17, _COSE)))))

    assert shown["header"] == {"tags": [61, 17], "alg": "HS256", "kid": "k"}
    assert shown["claims"] == {"exp": 1_800_000_000, "catu": {"3": {"1": "/vod/"}}}
    assert shown["times"] == {"exp": "2027-01-15T08:00:00+00:00"}


_ITEMS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.binary(max_size=8) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(0, 400), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
_TEXTS = st.one_of(
    st.text(max_size=80),
    st.binary(max_size=80).map(encoded),
    _ITEMS.map(lambda item: encoded(cbor2.dumps(item))),
    st.lists(_ITEMS, min_size=4, max_size=4).map(
        lambda parts: encoded(cbor2.dumps([cbor2.dumps(parts[0]), parts[1], cbor2.dumps(parts[2]), b""]))
    ),
    st.lists(st.binary(max_size=30).map(encoded), min_size=2, max_size=5).map(".".join),
    st.text(st.characters(codec="ascii"), max_size=60).map(lambda text: f"{_LINK}?{text}"),
)  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(_TEXTS)
def test_whatever_is_given_is_shown_or_is_no_token(text: str) -> None:
    with contextlib.suppress(NotAToken):
        json.dumps(inspect(text))
