"""Makes the administrator's account: the one login that nobody can register."""

from __future__ import annotations

from datetime import UTC, datetime

from catalog.accounts.domain import identity_key
from catalog.accounts.passwords import Argon2Passwords
from catalog.accounts.ports import Passwords
from catalog.accounts.use_cases import ensure_account
from catalog.database import open_engine
from catalog.ids import new_id
from catalog.unit_of_work import SqlUnitOfWork
from config.settings.load import Settings


async def ensure_admin(
    settings: Settings, login: str, password: str, *, passwords: Passwords | None = None
) -> bool:
    """Afterwards the administrator exists and can log in with ``password``; whether anything had to change.

    A password that was different is replaced and all logins with it end. ``ValueError`` if ``login`` is not
    the one that ``KAWA_CATALOG__ADMIN_LOGIN`` names.
    """
    named = settings.catalog.admin_login
    if named is None or identity_key(named) != identity_key(login):
        raise ValueError(f"KAWA_CATALOG__ADMIN_LOGIN does not name {login!r}")
    async with open_engine(settings.postgres) as engine:
        return await ensure_account(
            login=login,
            # No mail can be sent to it (RFC 2606), and nobody can guess and take it.
            email=f"admin-{new_id()}@kawa.invalid",
            password=password,
            passwords=passwords or Argon2Passwords(),
            uow=SqlUnitOfWork(engine),
            now=datetime.now(UTC),
        )
