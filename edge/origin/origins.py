"""The configured origins: names in URLs, and what stands behind them."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass

from config.runtime.storage.base import Storage
from config.runtime.storage.folder import FolderStorage
from config.runtime.storage.open import open_storage
from config.settings.load import Settings
from config.settings.origins import FolderOrigin, StorageOrigin
from config.settings.origins import HttpOrigin as HttpOriginSettings
from config.settings.origins import S3Origin as S3OriginSettings
from edge.errors import UnknownOrigin
from edge.manifests.uris import OriginMap
from edge.origin.carried.hosts import CarriedHosts, CarriedOrigin, open_carried
from edge.origin.carried.names import MARK, Carried, read_name
from edge.origin.files import FileOrigin as FileOrigin
from edge.origin.http import HttpOrigin, open_http_origin
from edge.origin.resolver import Resolver
from edge.target import Target, parse_target

Origin = FileOrigin | HttpOrigin


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a document of an origin has around it at its players: where it stands, and where others do."""

    mount: str  # what its paths stand below
    map: OriginMap
    carry: Callable[[str], str] | None  # the path of a URL that no origin covers; for one document


class Origins:
    """Origins by name, and the hosts that some of them have carried."""

    def __init__(self, origins: dict[str, Origin], carried: CarriedHosts) -> None:
        self._origins = origins
        self._carried = carried
        self.map = OriginMap(tuple((origin.name, origin.base) for origin in origins.values()))

    def __iter__(self) -> Iterator[Origin]:
        return iter(self._origins.values())

    def named(self, name: str) -> Origin:
        """The origin, or ``UnknownOrigin``."""
        try:
            return self._origins[name]
        except KeyError:
            raise UnknownOrigin from None

    def carried(self, carried: Carried, headers: Mapping[str, str]) -> CarriedOrigin:
        """The host that a player's path names, if this edge wrote that path."""
        self.named(carried.host.via)
        return self._carried.verified(carried, headers)

    def kept(self, name: str) -> tuple[Origin, str]:
        """The origin and the path of what the cache and siblings call ``name``."""
        first, _, path = name.partition("/")
        if first != MARK:
            return self.named(first), path
        host, path = read_name(path)
        return self._carried.at(host), path

    def around(self, origin: Origin) -> Surroundings:
        """For one document of an origin, or of a host that it has carried."""
        if not isinstance(origin, CarriedOrigin):
            return Surroundings(
                mount=origin.name, map=self.map, carry=self._carried.carrier(origin.name)
            )
        here = (origin.mount, origin.base)
        return Surroundings(
            mount=origin.mount,
            map=OriginMap((*self.map.bases, here)),
            carry=self._carried.carrier(origin.host.via),
        )

    def leading_to(self, url: str, around: Surroundings) -> tuple[Origin, Target] | None:
        """The origin and the target of a URL in a document; ``None`` if it must not be asked for."""
        mapped = self.map.locate(url)
        if mapped is not None:
            target = parse_target(mapped.target)
        elif around.carry is not None:
            target = parse_target(around.carry(url))
        else:
            return None
        if target.carried is None:
            return self.named(target.origin), target
        return self._carried.at(target.carried.host), target


@contextlib.asynccontextmanager
async def open_origins(
    settings: Settings, *, resolver: Resolver | None = None, carry_secret: str | None = None
) -> AsyncIterator[Origins]:
    """Every configured origin, for the length of the block; tests may pass their own resolver.

    ``carry_secret`` is for when the settings have no ``carry_key``.
    """
    async with contextlib.AsyncExitStack() as stack:
        storage = await stack.enter_async_context(open_storage(settings))
        names = resolver or Resolver(settings.edge.dns)
        stack.push_async_callback(names.close)
        origins: dict[str, Origin] = {}
        for name, origin in settings.edge.all_origins.items():
            match origin:
                case HttpOriginSettings():
                    opened = open_http_origin(name, origin, resolver=names)
                    origins[name] = await stack.enter_async_context(opened)
                case S3OriginSettings():
                    # Only where it is wanted: its library costs 30 MB of every worker.
                    from edge.origin.s3 import open_s3_origin

                    bucket = open_s3_origin(name, origin, resolver=names)
                    origins[name] = await stack.enter_async_context(bucket)
                case FolderOrigin():
                    files = FolderStorage(origin.folder)
                    origins[name] = _files(name, files, origin, prefix="")
                case StorageOrigin():
                    origins[name] = _files(name, storage, origin, prefix=origin.prefix)
        key = settings.edge.carry_key
        carried = open_carried(
            {
                name: origin
                for name, origin in settings.edge.all_origins.items()
                if isinstance(origin, HttpOriginSettings)
            },
            resolver=names,
            secret=key.get_secret_value() if key else carry_secret or secrets.token_urlsafe(),
        )
        yield Origins(origins, await stack.enter_async_context(carried))


def _files(
    name: str, storage: Storage, origin: StorageOrigin | FolderOrigin, *, prefix: str
) -> FileOrigin:
    plain = prefix.strip("/")
    return FileOrigin(
        name=name,
        storage=storage,
        prefix=f"{plain}/" if plain else "",
        public=origin.public,
        fresh_seconds=origin.fresh.total_seconds(),
        has_content_keys=origin.content_keys is not None,
    )
