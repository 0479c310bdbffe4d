"""The configured origins: names in URLs, and what stands behind them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from config.contracts import paths
from config.contracts.content_types import content_type_of
from config.contracts.paths import checked_path
from config.runtime.storage.base import (
    ObjectChanged,
    ObjectInfo,
    ObjectNotFound,
    Storage,
    StorageError,
)
from config.runtime.storage.folder import FolderStorage
from config.runtime.storage.open import open_storage
from config.settings.load import Settings
from config.settings.origins import FolderOrigin, StorageOrigin
from config.settings.origins import HttpOrigin as HttpOriginSettings
from edge import metrics
from edge.errors import (
    BadPath,
    ManifestTooLarge,
    NotFound,
    OriginFailed,
    OriginTimeout,
    UnknownOrigin,
)
from edge.manifests.uris import OriginMap
from edge.origin.documents import Document
from edge.origin.http import HttpOrigin, open_http_origin


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOrigin:
    """Files by path, as one name in URLs shows them."""

    name: str
    storage: Storage
    prefix: str  # '' or ending in '/'
    public: bool

    @property
    def base(self) -> str:
        """A URL that nobody can fetch (RFC 2606): what relative references of its manifests start from."""
        return f"http://{self.name}.origin.invalid/"

    async def document(
        self,
        path: str,
        query: str,
        *,
        known: Document | None,
        max_bytes: int,
        held_back: bool = False,
    ) -> Document:
        """Read a small file whole; ``known`` itself if it has not changed."""
        del query, held_back  # files know neither
        info = await self.stat(path)
        if known is not None and known.etag == info.etag:
            return known
        if info.size_bytes > max_bytes:
            raise ManifestTooLarge
        chunks = self.read(path, info=info, start=0, stop=info.size_bytes)
        return Document(
            body=b"".join([chunk async for chunk in chunks]),
            url=self.base + path,
            content_type=content_type_of(path),
            etag=info.etag,
            last_modified=None,
            max_age=None,
        )

    async def stat(self, path: str) -> ObjectInfo:
        """Describe a file, or raise ``NotFound`` or an ``OriginError``."""
        with self._counted():
            return await self.storage.stat(self._key(path))

    async def read(
        self, path: str, *, info: ObjectInfo, start: int, stop: int
    ) -> AsyncIterator[bytes]:
        """Yield a part of the file that ``info`` describes; a file that changed since is an error."""
        count = metrics.BYTES_FROM_ORIGIN.labels(self.name)
        with self._counted():
            chunks = self.storage.read(self._key(path), start=start, stop=stop, etag=info.etag)
            async for chunk in chunks:
                count.inc(len(chunk))
                yield chunk

    def _key(self, path: str) -> str:
        try:
            return self.prefix + checked_path(path)
        except paths.BadPath as error:
            raise BadPath from error

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


Origin = FileOrigin | HttpOrigin


class Origins:
    """Origins by name."""

    def __init__(self, origins: dict[str, Origin]) -> None:
        self._origins = origins
        self.map = OriginMap(tuple((origin.name, origin.base) for origin in origins.values()))

    def named(self, name: str) -> Origin:
        """The origin, or ``UnknownOrigin``."""
        try:
            return self._origins[name]
        except KeyError:
            raise UnknownOrigin from None


@contextlib.asynccontextmanager
async def open_origins(settings: Settings) -> AsyncIterator[Origins]:
    """Every configured origin, for the length of the block."""
    async with contextlib.AsyncExitStack() as stack:
        storage = await stack.enter_async_context(open_storage(settings))
        origins: dict[str, Origin] = {}
        for name, origin in settings.edge.origins.items():
            match origin:
                case HttpOriginSettings():
                    origins[name] = await stack.enter_async_context(open_http_origin(name, origin))
                case FolderOrigin():
                    files = FolderStorage(origin.folder)
                    origins[name] = _files(name, files, prefix="", public=origin.public)
                case StorageOrigin():
                    origins[name] = _files(
                        name, storage, prefix=origin.prefix, public=origin.public
                    )
        yield Origins(origins)


def _files(name: str, storage: Storage, *, prefix: str, public: bool) -> FileOrigin:
    plain = prefix.strip("/")
    return FileOrigin(
        name=name, storage=storage, prefix=f"{plain}/" if plain else "", public=public
    )
