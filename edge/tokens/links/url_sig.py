"""Apache Traffic Server's plugin url_sig: an HMAC over chosen parts of the URL and the query up to the signature.

The scheme knows HMAC-SHA1 and HMAC-MD5 only, and the link says which. Neither is broken as a MAC, both hashes are.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from config.contracts.grants import Asked, Rule
from config.runtime.processes import WrongUse
from config.settings.schemes.links import UrlSig
from edge.errors import (
    PathNotCovered,
    TokenBadClaims,
    TokenBadSignature,
    TokenMalformed,
    TokenUnknownKey,
    TokenUnsupported,
)
from edge.tokens.links.coverage import Covered, one_file, scope_of
from edge.tokens.links.link import Link
from edge.tokens.links.secrets import named_secrets
from edge.tokens.links.values import Parameters, is_hex, seconds, single_address
from edge.tokens.links.verifier import Checked, Found, LinkVerifier, Sent
from edge.tokens.rules import Networks
from edge.tokens.verifier import Keys

_ALGORITHMS = {"1": ("sha1", 20), "2": ("md5", 16)}  # value of A: hash and its length
_KEY_NAMES = frozenset(f"key{number}" for number in range(16))
_INDEX = re.compile(r"(?:[0-9]|1[0-5])\Z")
_MASK = re.compile(r"[01]{1,64}\Z")
_REQUIRED = frozenset("EAKP")
_OPTIONAL = frozenset("C")
_OWN = _REQUIRED | _OPTIONAL | {"S"}
_SIGNATURE = "S"
_PLACE = "in"  # field of the link: where the signature stood


@dataclass(frozen=True, slots=True)
class Parts:
    """The path has these segments where the signature is over them; ``None`` may be anything."""

    segments: tuple[str | None, ...]
    is_open: bool  # more may follow
    reason = PathNotCovered.code

    def allows(self, asked: Asked) -> bool:
        """Whether every signed segment is there in its place."""
        found = asked.scope.split("/")[1:]
        if len(found) < len(self.segments) or (
            len(found) > len(self.segments) and not self.is_open
        ):
            return False
        pairs = zip(self.segments, found, strict=False)
        return all(signed is None or signed == given for signed, given in pairs)

    def to_json(self) -> object:
        """The segments, '*' in place of those that may be anything."""
        shown = ["*" if segment is None else segment for segment in self.segments]
        return {"parts": "/" + "/".join(shown) + ("/**" if self.is_open else "")}


class UrlSigLinks:
    """Links of url_sig."""

    scheme = "url-sig"

    def __init__(
        self, name: str, settings: UrlSig, keys: dict[str, bytes], public_url: str
    ) -> None:
        self._name = name
        self._settings = settings
        self._keys = keys
        url = urlsplit(public_url)
        # The scheme of the URL is no part of it; host, port and a path before ours are.
        self._before = [url.netloc.lower(), *(part for part in url.path.split("/") if part)]
        self._mark = f";{settings.sig_anchor}=" if settings.sig_anchor else None

    def found(self, sent: Sent) -> Found | None:
        """The link of a request with a signature in its query or, behind the anchor, in its path."""
        parameters = Parameters.read(sent.query)
        names = {name for name, _ in parameters.items}
        if {"E", _SIGNATURE} <= names:
            return self._in_query(sent, parameters)
        if self._mark is not None and self._mark in sent.path:
            return self._in_path(sent, self._mark)
        return None

    def _in_query(self, sent: Sent, parameters: Parameters) -> Found:
        names = [name for name, _ in parameters.items]
        at = names.index(_SIGNATURE)
        signed = "&".join(item for _, item in parameters.items[:at])
        signature = parameters.items[at][1].partition("=")[2]
        if not _OWN.isdisjoint(names[at + 1 :]):
            signature = ""  # of two that say different things neither counts
        fields = {_PLACE: "query", _SIGNATURE: signature}
        link = Link.of(self._name, path=sent.path, query=signed, fields=fields)
        # What stands behind the signature is not signed; like the plugin, this edge drops it.
        kept = Parameters(parameters.items[:at]).without(_OWN)
        return Found(link, kept, sent.path)

    def _in_path(self, sent: Sent, mark: str) -> Found:
        before, _, behind = sent.path.partition(mark)
        encoded, _, rest = behind.partition("/")
        signed, _, signature = _decoded(encoded).rpartition(f";{_SIGNATURE}=")
        fields = {_PLACE: "path", _SIGNATURE: signature}
        link = Link.of(self._name, path=before, query=signed, fields=fields)
        return Found(link, sent.query, f"{before}/{rest}")

    def checked(self, link: Link, *, now: float) -> Checked:
        """What a link says whose HMAC is right."""
        fields = link.values(frozenset((_PLACE, _SIGNATURE)))
        place, given = fields[_PLACE], fields[_SIGNATURE]
        if place not in ("path", "query"):
            raise TokenMalformed
        separator = "&" if place == "query" else ";"
        parameters = Parameters.read(link.query.removeprefix(";"), separator=separator)
        own = parameters.named(_OWN)
        claims = dict(own)
        if len(claims) != len(own) or not _REQUIRED <= claims.keys() <= _REQUIRED | _OPTIONAL:
            raise TokenMalformed
        if place == "path" and len(own) != len(parameters.items):
            raise TokenMalformed
        key_id = self._signed_with(link, place, claims, given)
        conditions: tuple[Rule, ...] = ()
        if "C" in claims:
            conditions = (Networks((single_address(claims["C"]),)),)
        return Checked(
            covered=self._covered(link, place, claims["P"], parameters.without(_OWN)),
            expires_at=seconds(claims["E"], "E"),
            key_id=key_id,
            conditions=conditions,
        )

    def _signed_with(self, link: Link, place: str, claims: dict[str, str], given: str) -> str:
        algorithm = _ALGORITHMS.get(claims["A"])
        if algorithm is None or algorithm[0] not in self._settings.algorithms:
            raise TokenUnsupported("The link has an algorithm that is not accepted.")
        index = claims["K"]
        key = self._keys.get(f"key{index}") if _INDEX.match(index) else None
        if key is None:
            raise TokenUnknownKey
        if not _MASK.match(claims["P"]):
            raise TokenBadClaims("P is not made of 0 and 1.")
        hash_name, length = algorithm
        if not is_hex(given, count=length):
            raise TokenMalformed
        parts = [*self._before, *link.path[1:].split("/")]
        bits = _bits(claims["P"], len(parts))
        if place == "path" and not link.query.startswith(";") and not bits[-1]:
            raise TokenMalformed
        signed = "/".join(part for part, bit in zip(parts, bits, strict=True) if bit)
        signed += f"?{link.query}&S=" if place == "query" else f"{link.query};S="
        # The scheme's own choice of hashes: documentation of the plugin, "Signing a URL".
        digest = hmac.digest(key, signed.encode(), hash_name).hex()
        if not hmac.compare_digest(digest, given):
            raise TokenBadSignature
        return f"{self._name}-key{index}"

    def _covered(self, link: Link, place: str, mask: str, query: str) -> Covered:
        segments = scope_of(link.path).split("/")[1:]
        if "" in segments[:-1]:
            # The mask counts segments: one that is left out here would move it over the others.
            raise TokenMalformed
        if place == "path":
            # The signature ends before the file: whatever follows in that folder is open.
            segments = [segment for segment in segments if segment]
        count = len(self._before)
        bits = _bits(mask, count + len(segments))
        open_end = place == "path" or not _bits(mask, 65)[-1]
        bits = bits[count:]
        if not any(bits):
            raise TokenUnsupported("No part of the path is signed.")
        if not bits[0] and not self._settings.origins:
            raise TokenUnsupported("The origin is not signed, and the settings name none.")
        if all(bits) and place == "path":
            return Covered((f"/{'/'.join(segments)}/",))
        if all(bits) and not open_end:
            return one_file(link.path, self._settings.reach, query=query)
        signed = tuple(
            segment if bit else None for segment, bit in zip(segments, bits, strict=True)
        )
        if open_end:
            while signed[-1] is None:
                signed = signed[:-1]
            if None not in signed and len(signed) < len(segments):
                return Covered((f"/{'/'.join(segments[: len(signed)])}/",))
        return Covered(rules=(Parts(signed, open_end),))


def _bits(mask: str, count: int) -> list[bool]:
    """Which parts are signed: the last digit counts for all that follow."""
    return [mask[min(number, len(mask) - 1)] == "1" for number in range(count)]


def _decoded(encoded: str) -> str:
    """The text behind the anchor; anything that is no such text is one that no signature fits."""
    try:
        padded = encoded.rstrip("=").replace("+", "-").replace("/", "_")
        text = base64.urlsafe_b64decode(padded + "=" * (-len(padded) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        return ""
    return text if text.isprintable() else ""


def open_url_sig(
    name: str, settings: UrlSig, *, keys: Keys | None, public_url: str, leeway_seconds: float
) -> LinkVerifier:
    """The verifier of one signer's links, or ``WrongUse``."""
    secrets = named_secrets(name, settings)
    # What the plugin answers with stands in its file too; all else there would change what is checked.
    secrets.pop("error_url", None)
    if not secrets.keys() <= _KEY_NAMES:
        raise WrongUse(
            f"tokens.signers.{name}: url_sig's keys are called key0 to key15; its other options are settings here"
        )
    scheme = UrlSigLinks(name, settings, secrets, public_url)
    return LinkVerifier(name, scheme, settings, leeway_seconds=leeway_seconds)
