"""Playback URLs: signed here, verified by the edge without asking anybody."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Protocol
from uuid import UUID

from catalog.media.domain import Source, playlists_by_quality
from config.contracts.paths import (
    DASH_MANIFEST,
    MASTER_PLAYLIST,
    playback_path,
    playback_scope,
)
from config.contracts.tokens import PlaybackClaims, Renew

# A token's claims hold 16 path rules at most, so long lists of episodes need several tokens.
_SCOPES_PER_TOKEN = 16


class Signer(Protocol):
    def sign(self, claims: PlaybackClaims) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Where one media can be played, and until when."""

    id: str
    hls: str
    dash: str
    player: str
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Playback:
    """Makes URLs that the edge accepts."""

    signer: Signer
    edge_url: str
    lifetime: timedelta  # of one token
    session: timedelta  # of all that follow one another
    limit: int | None = None  # streams of a subject at once; None: any number

    def stream(self, source: Source, *, subject: str, now: datetime) -> Stream:
        """URLs of a playable source's manifests."""
        session = secrets.token_urlsafe(12)
        token, expires_at = self._token([source.id], subject=subject, session=session, now=now)
        path = playback_path(source.prefix or "")
        start = f"/t/{token}{path}"
        return Stream(
            id=session,
            hls=f"{self.edge_url}{start}/{MASTER_PLAYLIST}",
            dash=f"{self.edge_url}{start}/{DASH_MANIFEST}",
            player=f"{self.edge_url}/player/#{start}",
            expires_at=expires_at,
        )

    def playlists(
        self, sources: Sequence[Source], *, subject: str, now: datetime
    ) -> dict[UUID, dict[int, str]]:
        """URLs of the renditions' playlists by media and quality."""
        found: dict[UUID, dict[int, str]] = {}
        session = secrets.token_urlsafe(12)
        rest = iter(sources)
        while group := list(islice(rest, _SCOPES_PER_TOKEN)):
            token, _ = self._token(
                [source.id for source in group], subject=subject, session=session, now=now
            )
            for source in group:
                start = f"{self.edge_url}/t/{token}{playback_path(source.prefix or '')}"
                found[source.id] = {
                    quality: f"{start}/{playlist}"
                    for quality, playlist in playlists_by_quality(list(source.renditions)).items()
                }
        return found

    def _token(
        self, media_ids: Sequence[UUID], *, subject: str, session: str, now: datetime
    ) -> tuple[str, datetime]:
        issued_at = int(now.timestamp())
        expires_at = issued_at + int(self.lifetime.total_seconds())
        ends_at = issued_at + int(self.session.total_seconds())
        renew = None
        if ends_at > expires_at:
            renew = Renew(seconds=int(self.lifetime.total_seconds()), until=ends_at)
        claims = PlaybackClaims(
            subject=subject,
            session=session,
            token_id=secrets.token_urlsafe(12),
            path_prefixes=tuple(playback_scope(media_id) for media_id in media_ids),
            issued_at=issued_at,
            expires_at=min(expires_at, ends_at),
            stream_limit=self.limit,
            renew=renew,
        )
        return self.signer.sign(claims), datetime.fromtimestamp(ends_at, now.tzinfo)
