from __future__ import annotations

import pytest

from config.contracts.tokens import BadClaims, PlaybackClaims
from edge.tokens.kawa import grant_of
from edge.tokens.verified import limits_of

PAYLOAD = {
    "iss": "kawa",
    "sub": "user:1",
    "sid": "s",
    "paths": ["/cdn/"],
    "iat": 1_790_000_000,
    "exp": 1_790_000_600,
}


@pytest.mark.parametrize("policy", ["off", "explain", "strip", "gap"])
def test_the_claim_goes_there_and_back_and_into_the_grant(policy: str) -> None:
    claims = PlaybackClaims.from_json(PAYLOAD | {"ads": policy, "debug": True})
    assert claims.to_json() == PAYLOAD | {"ads": policy, "debug": True}
    grant = grant_of(claims, key_id="k")
    assert (grant.ads, grant.debug) == (policy, True)


def test_without_it_nothing_is_said() -> None:
    claims = PlaybackClaims.from_json(PAYLOAD)
    assert claims.to_json() == PAYLOAD
    assert (claims.ads, claims.debug) == (None, False)


@pytest.mark.parametrize(
    "claim", [{"ads": ""}, {"ads": "STRIP"}, {"ads": True}, {"ads": ["strip"]}, {"debug": 1}]
)
def test_anything_else_is_refused(claim: dict[str, object]) -> None:
    with pytest.raises(BadClaims):
        PlaybackClaims.from_json(PAYLOAD | claim)


def test_viewers_whose_breaks_are_treated_differently_never_share_an_answer() -> None:
    grants = [
        grant_of(PlaybackClaims.from_json(PAYLOAD | claim), key_id="k")
        for claim in ({}, {"ads": "off"}, {"ads": "strip"})
    ]
    assert len({limits_of(grant) for grant in grants}) == 3
