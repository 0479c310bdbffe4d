"""Opens a signer's keys, wherever its settings say they are."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from config.runtime.processes import WrongUse
from config.runtime.tasks import BackgroundTasks
from config.settings.tokens import TokenSettings
from edge.tokens.keys.copy import Copy
from edge.tokens.keys.fetch import checked_url, open_session
from edge.tokens.keys.file import FileKeys
from edge.tokens.keys.jwks import WAIT_SECONDS, JwksKeys, Pace
from edge.tokens.keys.source import Current, Gone, KeySource, forget_nothing


@asynccontextmanager
async def open_keys(
    name: str,
    *,
    file: Path | None = None,
    url: str | None = None,
    settings: TokenSettings,
    state: Path,
    checked: Path | None = None,
    on_gone: Gone = forget_nothing,
    clock: Callable[[], float] = time.time,
    timer: Callable[[], float] = time.monotonic,
) -> AsyncIterator[KeySource]:
    """The keys of the signer ``name`` in a file or at a URL, looked at again for as long as the block runs.

    ``state`` is a folder for what was fetched last, ``checked`` a copy of the file for when that is bad, and
    ``on_gone`` hears the ids of keys that no longer verify. ``WrongUse`` if the file or the URL cannot be used; a URL
    that does not answer is no reason not to start: until it does there are the keys of last time, or none.
    """
    current = Current(name, clock=clock, on_gone=on_gone)
    async with contextlib.AsyncExitStack() as stack:
        if file is not None and url is None:
            keys = FileKeys(name, file, current, checked=checked, clock=clock, timer=timer)
            await keys.load()
            tasks = await stack.enter_async_context(BackgroundTasks())
            tasks.start("keys in a file", keys.watch)
            yield keys
        elif url is not None and file is None:
            try:
                where = checked_url(url, plain_http=settings.jwks_plain_http)
            except WrongUse as error:
                raise WrongUse(f"{name}: {error}") from error
            session = await stack.enter_async_context(open_session())
            fetched = JwksKeys(
                name,
                where,
                current,
                session=session,
                pace=Pace.of(settings),
                copy=Copy(state / f"{name}.jwks.json", url=url),
                clock=clock,
                timer=timer,
            )
            await fetched.load()
            tasks = await stack.enter_async_context(BackgroundTasks())
            tasks.start("keys at a URL", fetched.run)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WAIT_SECONDS):
                    await fetched.refresh()
            yield fetched
        else:
            raise WrongUse(f"{name}: say either keys_file or jwks_url")
