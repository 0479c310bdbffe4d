"""Every URL of the catalog. What stands first wins where two patterns match."""

from __future__ import annotations

from catalog import health, jwks
from catalog.accounts import api as accounts
from catalog.anime import api as anime
from catalog.media import api as media
from catalog.streams import api as streams

ENDPOINTS = (
    # /health, /openapi.json, /api/v1/app
    health.live,
    health.ready,
    health.openapi,
    health.status,
    # /.well-known/jwks.json
    jwks.public_keys,
    # /api/v1/accounts/users
    accounts.register,
    accounts.login,
    accounts.logout,
    accounts.my_profile,
    streams.my_streams,
    streams.forget_my_streams,
    # /api/v1/anime, what apps read
    anime.catalog_releases,
    anime.list_releases,
    anime.latest_releases,
    anime.get_episode,
    anime.get_release,
    # /api/v1/releases, /api/v1/episodes: what administrators write
    anime.create_release,
    anime.create_episode,
    # /api/v1/media
    media.describe_uploads,
    media.create_upload,
    media.upload_progress,
    media.append_to_upload,
    media.overridden_upload,
    media.terminate_upload,
    streams.start_stream,
    streams.streams_quality,
    streams.forget_subject,
    streams.keep_stream,
    streams.stop_stream,
    media.get_media,
    media.cancel_media,
    media.retry_media,
)
