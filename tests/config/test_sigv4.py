from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.config.sigv4 import NotSigned, SignedRequest, check

# The worked example "GET Object" of AWS's page on signing S3 requests with the Authorization header.
ACCESS_KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
SIGNED_AT = datetime(2013, 5, 24, tzinfo=UTC)
EXAMPLE = SignedRequest(
    method="GET",
    target="/test.txt",
    headers={
        "host": "examplebucket.s3.amazonaws.com",
        "range": "bytes=0-9",
        "x-amz-content-sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "x-amz-date": "20130524T000000Z",
        "authorization": "AWS4-HMAC-SHA256 "
        "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
        "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
    },
    body=b"",
)


def test_the_example_of_aws_is_accepted() -> None:
    check(EXAMPLE, access_key=ACCESS_KEY, secret_key=SECRET_KEY, now=SIGNED_AT)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        pytest.param({"method": "HEAD"}, "SignatureDoesNotMatch", id="method"),
        pytest.param({"target": "/test.txt?acl"}, "SignatureDoesNotMatch", id="query"),
        pytest.param({"target": "/other.txt"}, "SignatureDoesNotMatch", id="path"),
        pytest.param({"body": b"x"}, "XAmzContentSHA256Mismatch", id="body"),
        pytest.param(
            {"headers": {**EXAMPLE.headers, "range": "bytes=0-10"}},
            "SignatureDoesNotMatch",
            id="header",
        ),
        pytest.param({"headers": {}}, "AccessDenied", id="no signature"),
    ],
)
def test_anything_changed_after_signing_is_refused(changed: dict[str, object], code: str) -> None:
    with pytest.raises(NotSigned, match=code):
        check(
            replace(EXAMPLE, **changed),  # type: ignore[arg-type]
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            now=SIGNED_AT,
        )


@pytest.mark.parametrize(
    ("other", "code"),
    [
        pytest.param({"secret_key": "wrong"}, "SignatureDoesNotMatch", id="secret"),
        pytest.param({"access_key": "wrong"}, "InvalidAccessKeyId", id="access key"),
        pytest.param({"now": SIGNED_AT + timedelta(hours=1)}, "RequestTimeTooSkewed", id="late"),
    ],
)
def test_other_keys_and_old_requests_are_refused(other: dict[str, object], code: str) -> None:
    keys: dict[str, object] = {"access_key": ACCESS_KEY, "secret_key": SECRET_KEY, "now": SIGNED_AT}
    with pytest.raises(NotSigned, match=code):
        check(EXAMPLE, **(keys | other))  # type: ignore[arg-type]
