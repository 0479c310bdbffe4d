"""Settings of the schemes that sign one link: url_sig, access_control, secure_link, CloudFront, Akamai."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from config.settings.schemes.shared import Scheme


class Link(Scheme):
    """A signed URL."""

    reach: Literal["file", "folder"] = Field(
        default="file",
        description="What a link to one file opens: that file, or its folder and all below (a manifest needs it, "
        "unless the signer's own rule covers its segments).",
    )


class UrlSig(Link):
    scheme: Literal["url-sig"]


class AccessControl(Link):
    scheme: Literal["access-control"]


class SecureLink(Link):
    scheme: Literal["secure-link"]


class CloudFront(Link):
    scheme: Literal["cloudfront"]


class Akamai(Link):
    scheme: Literal["akamai"]


LinkScheme = Annotated[
    UrlSig | AccessControl | SecureLink | CloudFront | Akamai, Field(discriminator="scheme")
]
