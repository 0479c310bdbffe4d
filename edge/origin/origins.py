"""The configured origins: names in URLs, and the files that stand behind them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from config.runtime.storage.base import (
    ObjectChanged,
    ObjectInfo,
    ObjectNotFound,
    Storage,
    StorageError,
)
from config.runtime.storage.folder import FolderStorage
from config.runtime.storage.open import open_storage
from config.settings.edge import FolderOrigin
from config.settings.load import Settings
from edge import metrics
from edge.errors import NotFound, OriginFailed, OriginTimeout, UnknownOrigin


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Files by path, as one name in URLs shows them."""

    name: str
    storage: Storage
    prefix: str  # '' or ending in '/'
    public: bool

    async def stat(self, path: str) -> ObjectInfo:
        """Describe a file, or raise ``NotFound`` or an ``OriginError``."""
        with self._counted():
            return await self.storage.stat(self.prefix + path)

    async def read(
        self, path: str, *, info: ObjectInfo, start: int, stop: int
    ) -> AsyncIterator[bytes]:
        """Yield a part of the file that ``info`` describes; a file that changed since is an error."""
        count = metrics.BYTES_FROM_ORIGIN.labels(self.name)
        with self._counted():
            chunks = self.storage.read(self.prefix + path, start=start, stop=stop, etag=info.etag)
            async for chunk in chunks:
                count.inc(len(chunk))
                yield chunk

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        result = "ok"
        try:
            yield
        except ObjectNotFound as error:
            result = "not_found"
            raise NotFound from error
        except TimeoutError as error:
            result = "timeout"
            raise OriginTimeout from error
        except ObjectChanged as error:
            result = "changed"
            raise OriginFailed("The file changed while it was being read: try again.") from error
        except StorageError as error:
            result = "error"
            raise OriginFailed from error
        finally:
            metrics.ORIGIN_REQUESTS.labels(self.name, result).inc()


class Origins:
    """Origins by name."""

    def __init__(self, origins: dict[str, Origin]) -> None:
        self._origins = origins

    def named(self, name: str) -> Origin:
        """The origin, or ``UnknownOrigin``."""
        try:
            return self._origins[name]
        except KeyError:
            raise UnknownOrigin from None

    def __iter__(self) -> Iterator[Origin]:
        return iter(self._origins.values())


@contextlib.asynccontextmanager
async def open_origins(settings: Settings) -> AsyncIterator[Origins]:
    """Every configured origin, for the length of the block."""
    async with open_storage(settings) as storage:
        origins = {}
        for name, origin in settings.edge.origins.items():
            if isinstance(origin, FolderOrigin):
                files: Storage = FolderStorage(origin.folder)
                prefix = ""
            else:
                files, prefix = storage, f"{origin.prefix.strip('/')}/".lstrip("/")
            origins[name] = Origin(name=name, storage=files, prefix=prefix, public=origin.public)
        yield Origins(origins)
