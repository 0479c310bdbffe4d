"""A transaction as handlers see it: the ports of every room together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from catalog.accounts import ports as accounts
from catalog.anime import ports as anime
from catalog.media import ports as media
from catalog.streams import ports as streams


class UnitOfWork(
    accounts.UnitOfWork, anime.UnitOfWork, media.UnitOfWork, streams.UnitOfWork, Protocol
):
    """Leave the block without ``commit`` and nothing happened."""


Units = Callable[[], UnitOfWork]
