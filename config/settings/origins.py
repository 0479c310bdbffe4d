"""Settings of the places that the edge takes streams from."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints, model_validator

from config.settings.ads import AdsField, AdsInterstitialsField, AdsRulesField
from config.settings.content_keys import ContentKeysField
from config.settings.shared import Section

OriginName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,31}$")]
# Plain ASCII: names of other scripts as they stand in DNS (xn--), paths percent-encoded.
HttpUrl = Annotated[
    str,
    StringConstraints(
        pattern=r"^https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?(?:/[!\"$->@-\[\]-~]*)?$"
    ),
]
HostAndPort = Annotated[
    str, StringConstraints(pattern=r"^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$")
]
# A key that cannot be guessed, and that fits into a variable.
ShieldKey = Annotated[SecretStr, Field(min_length=32, max_length=256)]


class StorageOrigin(Section):
    """Kawa's own storage, folder or S3."""

    kind: Literal["storage"] = Field(description="storage: Kawa's own storage, folder or S3.")
    prefix: str = Field(
        default="",
        description="The folder, in storage or in the bucket, that URLs of this origin see.",
    )
    public: bool = Field(default=False, description="Serve without a token.")
    fresh: timedelta = Field(
        default=timedelta(seconds=2),
        ge=timedelta(0),
        description="How long a file of this machine is served before it is looked at again.",
    )
    content_keys: ContentKeysField = None
    ads: AdsField = "off"
    ads_rules: AdsRulesField = ()
    ads_interstitials: AdsInterstitialsField = False


class FolderOrigin(Section):
    """Any folder of this machine."""

    kind: Literal["folder"] = Field(description="folder: any folder of this machine.")
    folder: Path = Field(description="Its path.")
    public: bool = Field(default=False, description="Serve without a token.")
    fresh: timedelta = Field(
        default=timedelta(seconds=2),
        ge=timedelta(0),
        description="How long a file of this machine is served before it is looked at again.",
    )
    content_keys: ContentKeysField = None
    ads: AdsField = "off"
    ads_rules: AdsRulesField = ()
    ads_interstitials: AdsInterstitialsField = False


class Pooled(Section):
    """What is the same for every origin that is asked over HTTP."""

    public: bool = Field(default=False, description="Serve without a token.")
    private: bool = Field(
        default=False,
        description="Its names may lead to private and loopback addresses; otherwise only an address or localhost "
        "written in the URL itself may.",
    )
    content_keys: ContentKeysField = None
    ads: AdsField = "off"
    ads_rules: AdsRulesField = ()
    ads_interstitials: AdsInterstitialsField = False
    ca_file: Path | None = Field(
        default=None,
        description="PEM file of the authorities that its certificate is checked by; empty means the system's.",
    )
    connections: int = Field(
        default=64, ge=1, le=4096, description="Most connections at a time, to each of its servers."
    )
    waiting: int = Field(
        default=1024,
        ge=0,
        le=100_000,
        description="Most questions that wait for one of those connections; the next one is refused at once.",
    )
    wait_timeout: timedelta = Field(
        default=timedelta(seconds=5),
        gt=timedelta(0),
        description="Longest wait for one of those connections.",
    )
    keep_alive: timedelta = Field(
        default=timedelta(seconds=15),
        ge=timedelta(0),
        description="How long a connection may idle; 0 closes each after its answer (servers that are not trusted).",
    )
    connect_timeout: timedelta = Field(
        default=timedelta(seconds=2),
        gt=timedelta(0),
        description="Longest wait for a new connection: name, TCP and TLS together.",
    )
    first_byte_timeout: timedelta = Field(
        default=timedelta(seconds=10),
        gt=timedelta(0),
        description="Longest wait for the whole head of one answer.",
    )
    answer_timeout: timedelta = Field(
        default=timedelta(seconds=20),
        gt=timedelta(0),
        description="Longest wait for a head with all retries, servers and redirects together.",
    )
    idle_timeout: timedelta = Field(
        default=timedelta(seconds=10), gt=timedelta(0), description="Longest pause inside a body."
    )
    min_rate: int = Field(
        default=1024,
        ge=0,
        description="A body that brings fewer bytes per second over idle_timeout is given up; 0 allows any rate.",
    )
    max_field_bytes: int = Field(
        default=16 * 2**10,
        ge=1024,
        description="Longest line and longest field of an answer's head.",
    )
    breaker_failures: int = Field(
        default=5,
        ge=0,
        description="Failures in a row to connect or to answer in time after which a server is left alone for "
        "1 to 5 s; 0 means never.",
    )
    retry_ratio: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Most retries and hedges, as a part of all questions; 0 means that nothing is asked twice.",
    )
    hedge: bool = Field(
        default=False,
        description="A GET that takes longer than 95 % of those before it is asked a second time, within retry_ratio.",
    )


class HttpOrigin(Pooled):
    """Another HTTP server, for example a packager, a CDN or another edge."""

    kind: Literal["http"] = Field(description="http: another HTTP server.")
    url: HttpUrl = Field(
        description="What the paths of this origin are relative to; its host is the only one asked.",
    )
    backups: tuple[HttpUrl, ...] = Field(
        default=(),
        description="URLs of servers with the same content, asked in this order while those before them fail.",
    )
    unlisted: Literal["refuse", "leave", "carry"] = Field(
        default="refuse",
        description="A manifest names a host that no origin covers: refuse the manifest, leave the URI, or carry the "
        "host through the edge as well.",
    )
    carried_hosts: int = Field(
        default=32, ge=1, le=256, description="Most hosts that one manifest may have carried."
    )
    xlink: Literal["leave", "resolve"] = Field(
        default="leave",
        description="DASH xlink: leave it to the player, or put the remote part into the document.",
    )
    block_timeout: timedelta = Field(
        default=timedelta(seconds=30),
        gt=timedelta(0),
        description="Longest wait for a playlist request that the origin holds back on purpose (LL-HLS).",
    )
    redirects: int = Field(
        default=0,
        ge=0,
        le=10,
        description="Most redirects that are followed for a GET or HEAD, to its own servers and redirect_hosts only.",
    )
    redirect_hosts: tuple[HostAndPort, ...] = Field(
        default=(),
        description="Other hosts, with a port unless it is the usual one, that it may redirect to.",
    )
    shield_key: ShieldKey | None = Field(
        default=None,
        description="The origin is an edge of Kawa that lets in who signs with this key, one of its shield_keys.",
    )


class S3Origin(Pooled):
    """A bucket; requests are signed (AWS Signature Version 4)."""

    kind: Literal["s3"] = Field(description="s3: a bucket of Amazon S3 or of a server like it.")
    bucket: str = Field(
        pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="The bucket's name."
    )
    prefix: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9._~!$&'()+,=@:/-]*$",
        description="The folder, in storage or in the bucket, that URLs of this origin see.",
    )
    endpoint: HttpUrl | None = Field(
        default=None, description="The server's URL; empty means AWS in the region."
    )
    region: str = Field(
        default="us-east-1",
        pattern=r"^[a-z0-9-]{1,64}$",
        description="The region that requests are signed for.",
    )
    path_style: bool = Field(
        default=False, description="Put the bucket in the path, not in the host name."
    )
    access_key: SecretStr | None = Field(
        default=None,
        description="Access key id; empty takes the machine's own credentials, renewed when they expire.",
    )
    secret_key: SecretStr | None = Field(default=None, description="Secret access key.")

    @model_validator(mode="after")
    def _whole_key(self) -> S3Origin:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("access_key and secret_key belong together")
        return self


class DnsSettings(Section):
    """How names of origins are looked up."""

    ttl: timedelta = Field(
        default=timedelta(seconds=30),
        ge=timedelta(0),
        description="How long an answer is used before the name is looked up again.",
    )
    stale: timedelta = Field(
        default=timedelta(minutes=10),
        ge=timedelta(0),
        description="How long the last good answer is used while looking up fails.",
    )
    negative: timedelta = Field(
        default=timedelta(seconds=2),
        ge=timedelta(0),
        description="How long a failed look-up is not tried again.",
    )
    timeout: timedelta = Field(
        default=timedelta(seconds=2), gt=timedelta(0), description="Longest wait for an answer."
    )
    parallel: int = Field(default=8, ge=1, le=64, description="Most look-ups at a time.")


OriginSettings = Annotated[
    StorageOrigin | FolderOrigin | HttpOrigin | S3Origin, Field(discriminator="kind")
]
