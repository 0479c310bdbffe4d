"""What a token is to say, whichever scheme it is of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from config.contracts.tokens import AdsClaim
from config.launch.tokens.errors import NotMinted


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The claims that schemes have in common, as they were asked for."""

    now: int  # seconds since the epoch
    expires_at: int
    public_url: str
    paths: tuple[str, ...] = ()
    url: str | None = None
    subject: str | None = None
    session: str | None = None
    issuer: str | None = None
    not_before: int | None = None
    token_id: str | None = None
    max_height: int | None = None
    max_bitrate: int | None = None
    languages: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    streams: int | None = None
    renew: int | None = None  # seconds
    renew_until: int | None = None
    once: bool = False
    ads: AdsClaim | None = None
    debug: bool = False
    key_id: str | None = None
    claims: Mapping[str, Any] = field(default_factory=dict)  # the scheme's own

    def require(self, scheme: str, *known: str) -> None:
        """``NotMinted`` if something is asked for that the scheme cannot say."""
        always = {"now", "expires_at", "public_url", *known}
        for item in fields(self):
            if item.name not in always and getattr(self, item.name) not in (None, (), False, {}):
                raise NotMinted(f"tokens of {scheme} cannot say {_SAID.get(item.name, item.name)}")

    @property
    def network(self) -> str | None:
        """The only network, for schemes that can name one."""
        if len(self.networks) > 1:
            raise NotMinted("tokens of this scheme can name one network")
        return self.networks[0] if self.networks else None

    @property
    def path(self) -> str:
        """The only path, for schemes that can name one."""
        if len(self.paths) != 1:
            raise NotMinted("tokens of this scheme are for one path")
        return self.paths[0]


_SAID = {
    "url": "--url (name paths)",
    "paths": "paths (give --url)",
    "claims": "--claim",
    "renew": "--renew",
    "max_height": "--max-height",
    "max_bitrate": "--max-bitrate",
    "languages": "--language",
    "methods": "--method",
    "networks": "--network",
    "countries": "--country",
    "streams": "--streams",
    "once": "--once",
    "ads": "--ads",
    "debug": "--debug",
    "key_id": "--kid",
    "token_id": "--token-id",
    "not_before": "--not-before",
}
