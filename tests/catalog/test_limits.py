from __future__ import annotations

import asyncio
import threading

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from catalog.accounts.attempts import LoginAttempts, stands_alone
from catalog.accounts.passwords import Argon2Passwords
from catalog.errors import TooBusy


@pytest.mark.parametrize(
    ("ip", "alone"),
    [
        ("8.8.8.8", True),
        ("2001:4860::1", True),
        ("10.0.0.1", False),
        ("::1", False),
        ("unix:", False),
    ],
)
def test_private_addresses_stand_for_many(ip: str, alone: bool) -> None:
    assert stands_alone(ip) is alone


async def test_one_address_cannot_try_many_accounts() -> None:
    attempts = LoginAttempts(None, per_account=5)
    waits = []
    for number in range(21):
        waits.append(await attempts.take(account=f"user{number}", ip="8.8.8.8"))
        await attempts.failed(ip="8.8.8.8")

    assert waits[:20] == [None] * 20
    assert 0 < (waits[20] or 0) <= 15 * 60
    assert await attempts.take(account="user0", ip="10.0.0.1") is None
    assert await attempts.take(account="user0", ip="8.8.4.4") is None


async def test_good_logins_use_up_nothing_of_an_address() -> None:
    attempts = LoginAttempts(None, per_account=5)
    for number in range(30):
        assert await attempts.take(account=f"user{number}", ip="8.8.8.8") is None
        await attempts.forgive(account=f"user{number}")


async def test_a_flood_of_logins_is_refused_instead_of_queued_without_end() -> None:
    free = threading.Event()

    class Slow(Argon2Hasher):
        def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
            free.wait(10)
            return super().hash(password, salt=salt)

    passwords = Argon2Passwords(
        PasswordHash((Slow(time_cost=1, memory_cost=64, parallelism=1),)), parallel=1
    )
    waiting = [asyncio.create_task(passwords.hash("secret")) for _ in range(65)]
    await asyncio.sleep(0)

    with pytest.raises(TooBusy):
        await passwords.hash("secret")

    free.set()
    assert len(await asyncio.gather(*waiting)) == 65


async def test_an_old_hash_is_renewed_at_the_next_check() -> None:
    old = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1),)).hash("secret")
    passwords = Argon2Passwords(
        PasswordHash((Argon2Hasher(time_cost=2, memory_cost=64, parallelism=1),))
    )

    good, renewed = await passwords.verify("secret", old)

    assert good
    assert renewed is not None
    assert await passwords.verify("secret", renewed) == (True, None)


async def test_nobody_has_a_password() -> None:
    passwords = Argon2Passwords(
        PasswordHash((Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1),))
    )

    assert await passwords.verify("secret", None) == (False, None)
    assert await passwords.verify("secret", "what is this") == (False, None)


async def test_an_unknown_login_costs_as_many_checks_as_a_known_one() -> None:
    checks = []

    class Counting(Argon2Hasher):
        def verify(self, password: str | bytes, hash: str | bytes) -> bool:
            checks.append(password)
            return super().verify(password, hash)

    passwords = Argon2Passwords(
        PasswordHash((Counting(time_cost=1, memory_cost=64, parallelism=1),))
    )
    await passwords.prepare()

    await passwords.verify("secret", await passwords.hash("other"))
    known = len(checks)
    await passwords.verify("secret", None)

    assert len(checks) == 2 * known
