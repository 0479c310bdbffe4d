"""What a change at the origin makes invalid here, RFC 9111 section 4.4."""

from __future__ import annotations

from urllib.parse import SplitResult, urljoin, urlsplit

from edge.origin.upstream import Fields

# RFC 9110 section 9.2.1 and the registry; any other method, an unknown one too, may change things.
SAFE_METHODS = frozenset(
    {"GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY"}
)
_DEFAULT_PORTS = {"http": 80, "https": 443}


def invalidated(method: str, status: int, target_url: str, fields: Fields) -> tuple[str, ...]:
    """The URLs of the same origin whose stored answers hold no longer, the target first; none after a failure."""
    if method in SAFE_METHODS or not 200 <= status <= 399:
        return ()
    urls = [target_url]
    for name in ("Location", "Content-Location"):
        reference = fields.get(name)
        if reference is None:
            continue
        url = _resolved(target_url, reference)
        if url is not None and url not in urls:
            urls.append(url)
    return tuple(urls)


def _resolved(target_url: str, reference: str) -> str | None:
    """The URL meant, without a fragment; ``None`` if it is not of the target's origin."""
    try:
        url = urlsplit(urljoin(target_url, reference.strip(" \t")))
        if _origin(url) != _origin(urlsplit(target_url)):
            return None
    except ValueError:
        return None
    return url._replace(fragment="").geturl()


def _origin(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or _DEFAULT_PORTS.get(url.scheme)
