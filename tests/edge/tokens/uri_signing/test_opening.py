from __future__ import annotations

from typing import Any

import pytest

from config.runtime.keys import KeySet
from config.runtime.processes import WrongUse
from edge.tokens.strict import to_base64url
from edge.tokens.uri_signing.verifier import open_uri_signing
from edge.tokens.verifier import FixedKeys, Verifier
from tests.edge.tokens.uri_signing.support import KEYS, SIGNING, settings, verifier

PUBLIC = KeySet.of(
    {"keys": [{name: part for name, part in SIGNING["ed"].items() if name != "d"}]}, source="tests"
)


@pytest.mark.parametrize(
    ("fields", "keys", "url", "said"),
    [
        pytest.param({}, None, "https://e", "keys_file or jwks_url", id="no keys"),
        pytest.param({}, KEYS, "e.example", "own http or https URL", id="no URL"),
        pytest.param({"renewal_key": "x"}, KEYS, "https://e", "renewal_key", id="no such key"),
        pytest.param({"renewal_key": "enc"}, KEYS, "https://e", "renewal_key", id="a content key"),
        pytest.param({"renewal_key": "ed"}, PUBLIC, "https://e", "renewal_key", id="a public key"),
        pytest.param(
            {"renewal_key": "ed", "keys_file": None, "jwks_url": "https://k"},
            KEYS,
            "https://e",
            "nobody publishes",
            id="a private key that is published",
        ),
        pytest.param(
            {"renewal_key": "ed", "issuer_keys": {"origin": ["es"]}},
            KEYS,
            "https://e",
            "tokens of origin would be refused",
            id="a key that is not the issuer's",
        ),
        pytest.param(
            {"renewal_key": "ed", "renewal_issuer": "us"},
            KEYS,
            "https://e",
            "tokens of us would be refused",
            id="an issuer that is not accepted",
        ),
        pytest.param(
            {"renewal_key": "ed", "renewal_issuer": "us", "issuer_keys": {"us": ["es"]}},
            KEYS,
            "https://e",
            "tokens of us would be refused",
            id="another issuer's key",
        ),
        pytest.param({"jwt_header": "AAAA"}, KEYS, "https://e", "jwt_header", id="no header"),
        pytest.param(
            {"jwt_header": to_base64url(b'{"alg":"ES256","crit":["x"]}')},
            KEYS,
            "https://e",
            "jwt_header",
            id="a header that asks for more",
        ),
    ],
)
def test_settings_that_cannot_work_are_said_at_the_start(
    fields: dict[str, Any], keys: KeySet | None, url: str, said: str
) -> None:
    with pytest.raises(WrongUse, match=said) as refused:
        open_uri_signing(
            "mine",
            settings(**fields),
            keys=None if keys is None else FixedKeys(keys),
            public_url=url,
            leeway_seconds=0,
        )
    assert str(refused.value).startswith("tokens.signers.mine: ")


def test_it_is_a_verifier_without_leeway() -> None:
    made: Verifier = verifier()
    assert made.scheme == "uri-signing"
    assert verifier().leeway_seconds == 0
