"""Every way a manifest can be refused, and what each means.

* ManifestError
  + NotAManifest
    x Truncated
  + TooMuch
    x TooLarge
    x TooManyLines
    x LineTooLong
    x TooDeep
    x TooManyAttributes
    x TooManyElements
    x TooManyUris
    x TooManyHosts
  x HostileXml
  x UnlistedHost
  x BadReference
  x BadDefine
  x UndefinedVariable
  x BadDirective
  x BadFilter
"""

from __future__ import annotations

from typing import ClassVar


class ManifestError(ValueError):
    """The manifest cannot be used."""

    code: ClassVar[str] = "bad-manifest"

    def __str__(self) -> str:
        return super().__str__() or (type(self).__doc__ or "").strip()


class NotAManifest(ManifestError):
    """This is neither an HLS playlist nor a DASH MPD nor one of the documents beside them."""

    code = "not-a-manifest"


class Truncated(NotAManifest):
    """The manifest ends before its end."""

    code = "truncated"


class TooMuch(ManifestError):
    """The manifest passes a limit."""

    code = "too-much"


class TooLarge(TooMuch):
    """The manifest has more bytes than allowed."""

    code = "too-large"


class TooManyLines(TooMuch):
    """The playlist has more lines than allowed."""

    code = "too-many-lines"


class LineTooLong(TooMuch):
    """A line of the playlist has more bytes than allowed."""

    code = "line-too-long"


class TooDeep(TooMuch):
    """The manifest is nested more deeply than allowed."""

    code = "too-deep"


class TooManyAttributes(TooMuch):
    """A tag or an element has more attributes than allowed."""

    code = "too-many-attributes"


class TooManyElements(TooMuch):
    """The document has more elements or values than allowed."""

    code = "too-many-elements"


class TooManyUris(TooMuch):
    """The manifest names more URIs than allowed."""

    code = "too-many-uris"


class TooManyHosts(TooMuch):
    """The manifest names more hosts that no origin covers than allowed."""

    code = "too-many-hosts"


class HostileXml(ManifestError):
    """The XML declares a document type or entities, which no manifest needs."""

    code = "hostile-xml"


class UnlistedHost(ManifestError):
    """The manifest names a host that no origin covers."""

    code = "unlisted-host"

    def __init__(self, host: str) -> None:
        super().__init__(f"no origin covers {host}")
        self.host = host


class BadReference(ManifestError):
    """A URI in the manifest is none."""

    code = "bad-reference"


class BadDefine(ManifestError):
    """An EXT-X-DEFINE cannot be resolved."""

    code = "bad-define"


class UndefinedVariable(ManifestError):
    """A URI uses a variable whose value is not known."""

    code = "undefined-variable"

    def __init__(self, name: str) -> None:
        super().__init__(f"the variable {name} has no value")
        self.name = name


class BadDirective(ManifestError):
    """A delivery directive (``_HLS_msn``, ``_HLS_part``, ``_HLS_skip``) makes no sense for this playlist."""

    code = "bad-directive"


class BadFilter(ManifestError):
    """A filter has an unknown key or a bad value."""

    code = "bad-filter"
