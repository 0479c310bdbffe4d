"""The ready bytes of a manifest: filtered, rewritten and compressed once, sent to every viewer."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import brotli

from edge.manifests.pipeline import Format, Produced
from edge.manifests.places import Place, with_query_token
from edge.manifests.whole import made_whole, whole_places

# Below this a compressed body is no smaller on the wire: head and packet count stay the same.
_LEAST_COMPRESSED_BYTES = 512
# Measured: brotli 5 is 15 to 50 % smaller than gzip 6 at 1 to 5 ms for a manifest; 11 saves little more.
_GZIP_LEVEL = 6
_BROTLI_QUALITY = 5

_TYPES = {
    Format.HLS: "application/vnd.apple.mpegurl",
    Format.DASH: "application/dash+xml",
    Format.JSON: "application/json",
}
_PATCH_TYPE = "application/dash-patch+xml"  # ISO/IEC 23009-1 annex C


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One representation of one version of a manifest."""

    body: bytes
    encoded: tuple[tuple[str, bytes], ...]  # (content coding, body), the smallest first
    etag: str
    format: Format
    content_type: str
    places: tuple[Place, ...]  # only kept where a token must go into every URI
    given_up: tuple[str, ...]
    whole: tuple[
        Place, ...
    ] = ()  # what has to be an absolute URI, which differs from viewer to viewer
    ads: str = ""  # what was done about breaks, for those who may be told

    @property
    def size_bytes(self) -> int:
        encoded = sum(len(body) for _, body in self.encoded)
        return len(self.body) + encoded + 64 * (len(self.places) + len(self.whole)) + 512

    def chosen(self, request: Mapping[str, str]) -> tuple[bytes, dict[str, str]]:
        """The body for a request and the fields that say which it is (RFC 9110 sections 8.4, 12.5.3)."""
        headers = {"Content-Type": self.content_type, "Vary": "Accept-Encoding"}
        accepted = accepted_codings(request.get("Accept-Encoding", ""))
        for coding, body in self.encoded:
            if accepted(coding):
                # Another representation, so another strong entity tag.
                tag = f'{self.etag[:-1]}-{coding}"'
                return body, headers | {"ETag": tag, "Content-Encoding": coding}
        return self.body, headers | {"ETag": self.etag}

    def for_viewer(self, document: str, public: str, token: str | None) -> bytes:
        """The body for one viewer, whose document stands at ``document`` below ``public``.

        With a token, for a player that cannot use the path form: the token in the query of every URI.
        """
        body, places = self.body, self.places if token is not None else self.whole
        if self.whole:
            body, places = made_whole(
                body, places, format_=self.format, document=document, public=public
            )
        if token is None:
            return body
        return with_query_token(body, places, token, xml=self.format is Format.DASH)


def make_form(
    produced: Produced, *, is_patch: bool = False, with_places: bool = False, ads: str = ""
) -> Form:
    """Compress and name what was produced."""
    body = produced.output
    encoded = []
    if len(body) >= _LEAST_COMPRESSED_BYTES:
        encoded = [
            ("br", brotli.compress(body, quality=_BROTLI_QUALITY)),
            ("gzip", gzip.compress(body, _GZIP_LEVEL, mtime=0)),
        ]
    return Form(
        body=body,
        encoded=tuple(item for item in encoded if len(item[1]) < len(body)),
        etag=f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"',
        format=produced.format,
        content_type=_PATCH_TYPE if is_patch else _TYPES[produced.format],
        places=produced.places() if with_places else (),
        given_up=produced.given_up,
        whole=() if is_patch else whole_places(produced),
        ads=ads,
    )


@lru_cache(maxsize=1024)
def accepted_codings(field: str) -> Callable[[str], bool]:
    """Which content codings an Accept-Encoding field allows; q=0 forbids one (RFC 9110 section 12.5.3)."""
    weights: dict[str, float] = {}
    for item in field.lower().split(","):
        name, *parameters = (part.strip() for part in item.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        weights["gzip" if name == "x-gzip" else name] = weight
    return lambda coding: weights.get(coding, weights.get("*", 0.0)) > 0
