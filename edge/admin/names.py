"""What an operator calls a file, as the cache knows it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from config.settings.edge import EdgeSettings
from config.settings.origins import HttpOrigin
from edge.cache.tiers.purge import Purge
from edge.errors import BadPath, BadPurge
from edge.origin.carried.names import MARK, kept_as, read_name
from edge.query import without_tokens

_PACKAGE = re.compile(r";URISigningPackage=[^;/?]*")


def named_as_kept(purge: Purge, edge: EdgeSettings) -> Purge:
    """The same purge with its URL or prefix as ``origin/path?query``.

    This edge's URLs, with or without host and token, URLs of a configured HTTP origin, and the name itself will do.
    """
    if purge.kind not in ("url", "prefix"):
        return purge
    return Purge(purge.kind, _name_of(purge.value, edge), purge.soft)


def _name_of(value: str, edge: EdgeSettings) -> str:
    scheme, _, rest = value.partition("://")
    if rest:
        if scheme not in ("http", "https"):
            raise BadPurge("a URL begins with http:// or https://")
        for name, origin in edge.all_origins.items():
            if isinstance(origin, HttpOrigin):
                base = origin.url if origin.url.endswith("/") else origin.url + "/"
                if value.startswith(base):
                    return f"{name}/{value.removeprefix(base)}"
        split = urlsplit(value)
        value = split.path + (f"?{split.query}" if split.query else "")
    path = value.removeprefix("/")
    path = _without_tokens(path)
    if path.startswith("t/") and path.count("/") >= 2:  # a viewer's URL: the token names no file
        path = path.split("/", 2)[2]
    if path.startswith("f/") and path.count("/") >= 2:
        path = path.split("/", 2)[2]
    if path.startswith(f"{MARK}/"):
        return _carried(path)
    origin_name, slash, _ = path.partition("/")
    if slash and origin_name in edge.all_origins:
        return path
    if edge.root_origin is not None:
        return f"{edge.root_origin}/{path}"
    known = ", ".join(sorted(edge.all_origins))
    raise BadPurge(f"the path begins with none of the origins {known}")


def _without_tokens(path: str) -> str:
    """A viewer's path without the parameters that only ever hold a token."""
    path, mark, query = _PACKAGE.sub("", path).partition("?")
    if not path.startswith(f"{MARK}/"):  # there a token stands behind what is another server's
        query = without_tokens(query)
    return path + mark + query if query else path


def _carried(path: str) -> str:
    """The name of a file on a carried host: its address without the signature, or that name itself."""
    try:
        if path.count("/") >= 2 and path.split("/")[2] not in ("http", "https"):
            return "/".join(kept_as(path))
        host, rest = read_name(path.removeprefix(f"{MARK}/"))
    except BadPath as error:
        raise BadPurge(str(error)) from error
    return f"{host.name}/{rest}"
