from __future__ import annotations

import pytest
from aiohttp import HttpVersion, HttpVersion10, HttpVersion11
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict

from edge.handlers.strict import refusal_of


def code(
    method: str,
    *fields: tuple[str, str],
    target: str = "/a",
    version: HttpVersion = HttpVersion11,
    any_method: bool = True,
) -> str:
    headers = CIMultiDict([("Host", "a"), *fields])
    request = make_mocked_request(method, target, headers=headers, version=version)
    refusal = refusal_of(request, any_method=any_method)
    return "" if refusal is None else refusal.code


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PROPFIND", "X-OWN"]
)
def test_a_plain_proxy_takes_any_method_with_or_without_a_body(method: str) -> None:
    assert code(method) == ""
    assert code(method, ("Content-Length", "5")) == ""
    assert code(method, ("Transfer-Encoding", "Chunked")) == ""


@pytest.mark.parametrize("method", ["CONNECT", "TRACE"])
def test_no_proxy_takes_these(method: str) -> None:
    assert code(method) == "method-not-allowed"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param([("Content-Length", "0001")], id="leading zeros"),
        pytest.param([("Content-Length", "+5")], id="sign"),
        pytest.param([("Content-Length", "5, 5")], id="list"),
        pytest.param([("Content-Length", "5"), ("Content-Length", "5")], id="twice"),
        pytest.param([("Content-Length", "9" * 20)], id="too long a number"),
        pytest.param([("Content-Length", "5"), ("Transfer-Encoding", "chunked")], id="both"),
        pytest.param([("Transfer-Encoding", "gzip, chunked")], id="two codings"),
        pytest.param(
            [("Transfer-Encoding", "identity"), ("Transfer-Encoding", "chunked")], id="two fields"
        ),
        pytest.param([("Transfer-Encoding", "xchunked")], id="unknown coding"),
    ],
)
def test_a_body_whose_end_is_in_doubt_is_refused(fields: list[tuple[str, str]]) -> None:
    assert code("POST", *fields) == "bad-request"


def test_chunks_in_http_1_0_are_refused() -> None:
    assert code("POST", ("Transfer-Encoding", "chunked"), version=HttpVersion10) == "bad-request"


def test_viewers_send_no_bodies_and_few_methods() -> None:
    assert code("GET", ("Content-Length", "0"), any_method=False) == ""
    assert code("GET", ("Content-Length", "1"), any_method=False) == "bad-request"
    assert code("POST", any_method=False) == "method-not-allowed"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("http://a/x", ""),
        ("HTTP://A/x", ""),
        ("http://b/x", "bad-request"),
        ("http://a@b/x", "bad-request"),
        ("http://a:81/x", "bad-request"),
        ("/x?u=http://b/", ""),
    ],
)
def test_an_absolute_target_names_the_host_of_the_host_field(target: str, expected: str) -> None:
    assert code("GET", target=target) == expected
