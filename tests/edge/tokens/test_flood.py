from __future__ import annotations

from dataclasses import replace

import pytest

from config.contracts.grants import Grant, Renewal
from edge.errors import TokenExpired, TokenMalformed, TokenNotYetValid
from edge.tokens.verified import VerifiedTokens

NOW = 1_800_000_000.0
GOOD = Grant(
    subject="viewer",
    session="s",
    not_before=int(NOW) - 60,
    expires_at=int(NOW) + 600,
    key_id="k",
)
LATE = Renewal(carrier="as-it-came", seconds=600, within=300, until=int(NOW) + 3600, late=True)
ENDED = replace(GOOD, not_before=int(NOW) - 900, expires_at=int(NOW) - 300)
GRANTS = {
    "good": GOOD,
    "ended": ENDED,
    "ended for ever": replace(ENDED, renewal=replace(LATE, until=int(NOW) - 60)),
    "not begun": replace(GOOD, not_before=int(NOW) + 300),
    "late": replace(ENDED, renewal=LATE),
}


class Verified(VerifiedTokens):
    """Tokens called as the grant that they are for; counts signatures that are checked."""

    def __init__(self, *, capacity: int) -> None:
        self.checks = 0
        super().__init__(self._count, capacity=capacity, leeway_seconds=30)

    def _count(self, token: str, now: float) -> Grant:
        self.checks += 1
        name = token.partition(" #")[0]
        if name not in GRANTS:
            raise TokenMalformed
        return GRANTS[name]


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("ended", TokenExpired),
        ("ended for ever", TokenExpired),
        ("not begun", TokenNotYetValid),
        ("nonsense", TokenMalformed),
    ],
)
def test_tokens_that_open_nothing_push_out_none_that_do(kind: str, error: type[Exception]) -> None:
    tokens = Verified(capacity=10)
    good = [f"good #{number}" for number in range(10)]
    for token in good:
        tokens.grant_of(token, now=NOW)

    for number in range(100):
        with pytest.raises(error):
            tokens.grant_of(f"{kind} #{number}", now=NOW)

    checks = tokens.checks
    assert all(tokens.held(token, now=NOW) for token in good)
    assert [tokens.grant_of(token, now=NOW) for token in good] == [GOOD] * 10
    assert (tokens.checks, len(tokens)) == (checks, 10)


def test_a_token_that_can_still_be_exchanged_is_checked_once() -> None:
    tokens = Verified(capacity=10)

    for _ in range(5):
        held = tokens.remembered("late", now=NOW)
        assert tokens.is_late("late", held, now=NOW)

    assert tokens.checks == 1
