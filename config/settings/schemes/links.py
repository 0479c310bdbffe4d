"""Settings of the schemes that sign one link: url_sig, access_control, secure_link, CloudFront, Akamai."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints

from config.settings.schemes.shared import Scheme

Secret = Annotated[SecretStr, Field(min_length=1, max_length=256)]
KeyName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
# Of a query parameter or a cookie; needs no encoding in either.
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class Link(Scheme):
    """A signed URL."""

    reach: Literal["file", "folder"] = Field(
        default="file",
        description="What a link to one file opens: that file, or its folder and all below (a manifest needs it, "
        "unless the signer's own rule covers its segments).",
    )


class NamedSecrets(Link):
    """A scheme whose links name the secret that they were signed with."""

    keys: dict[KeyName, Secret] = Field(
        default={},
        description="Secrets by the name that links call them; several at once while they are rotated.",
    )
    keys_file: Path | None = Field(
        default=None,
        description="File with a line 'name = secret' for each, readable by its owner only, in place of keys.",
    )


class UrlSig(NamedSecrets):
    """Apache Traffic Server's plugin url_sig; the names of its keys are key0 to key15."""

    scheme: Literal["url-sig"]
    algorithms: tuple[Literal["sha1", "md5"], ...] = Field(
        default=("sha1", "md5"),
        min_length=1,
        description="HMACs that are accepted: the scheme has no others, and the link says which of them it has.",
    )
    sig_anchor: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_-]{1,32})?$")] = Field(
        default="",
        description="Name before a signature that stands in the path (;NAME=…); empty: only in the query.",
    )


class AccessControl(NamedSecrets):
    """Apache Traffic Server's plugin access_control."""

    scheme: Literal["access-control"]
    cookie: Name = Field(default="TokenCookie", description="Cookie that holds the token.")
    parameter: Name | None = Field(
        default=None, description="Query parameter that may hold it too, encoded as in the cookie."
    )


class SecureLink(Link):
    """nginx's module secure_link."""

    scheme: Literal["secure-link"]
    form: Literal["query", "path"] = Field(
        default="query",
        description="query: hash and end in the query (secure_link_md5); path: /{origin}/{hash}/{path} "
        "(secure_link_secret), links that never end.",
    )
    expression: Annotated[str, StringConstraints(max_length=1024)] = Field(
        default="$secure_link_expires$uri$remote_addr $secret",
        description="Of form query: the value of secure_link_md5 with $secret in place of the secret; it may hold "
        "$secure_link_expires, $uri, $remote_addr, $host, $http_user_agent and $arg_NAME.",
    )
    secrets: tuple[Secret, ...] = Field(
        default=(), description="Secrets that links may have; several while they are rotated."
    )
    secrets_file: Path | None = Field(
        default=None,
        description="File with one secret a line, readable by its owner only, in place of secrets.",
    )
    hash_parameter: Name = Field(
        default="md5", description="Of form query: the parameter that holds the hash ($arg_md5)."
    )
    expires_parameter: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{0,64}$")] = Field(
        default="expires",
        description="Of form query: the parameter that says when the link ends ($arg_expires); empty: it never does.",
    )
    lifetime: timedelta | None = Field(
        default=None,
        gt=timedelta(0),
        description="How long what a link without an end opened stays open; needed for such links.",
    )


class CloudFront(Link):
    """CloudFront's signed URLs and signed cookies."""

    scheme: Literal["cloudfront"]
    public_keys: dict[KeyName, Path] = Field(
        min_length=1,
        description="PEM files with RSA or P-256 public keys by their Key-Pair-Id; several while they are rotated.",
    )
    hashes: tuple[Literal["sha1", "sha256"], ...] = Field(
        default=("sha1", "sha256"),
        min_length=1,
        description="Hashes that are accepted; sha1 is what signers use that do not say Hash-Algorithm=SHA256.",
    )


class Akamai(Link):
    """Akamai's Auth Token 2.0."""

    scheme: Literal["akamai"]
    names: tuple[Name, ...] = Field(
        default=("hdnts", "hdnea", "hdntl", "__token__"),
        min_length=1,
        max_length=8,
        description="Names of the parameter, the cookie or the path segment (/NAME=…/) that holds the token.",
    )
    secrets: tuple[Secret, ...] = Field(
        default=(),
        description="Keys in hexadecimal: the encryption key, and transition keys while it is rotated.",
    )
    secrets_file: Path | None = Field(
        default=None,
        description="File with one key a line, readable by its owner only, in place of secrets.",
    )
    algorithm: Literal["sha256", "sha1", "md5"] = Field(
        default="sha256", description="Hash of the HMAC."
    )
    salt: Secret | None = Field(default=None, description="Salt that tokens are signed with.")
    escape_input: bool = Field(
        default=False, description="Whether signers escape what they sign ('Escape token input')."
    )
    ignore_query: bool = Field(
        default=True,
        description="Whether a token for one URL was signed without its query ('Ignore query string').",
    )


LinkScheme = Annotated[
    UrlSig | AccessControl | SecureLink | CloudFront | Akamai, Field(discriminator="scheme")
]
