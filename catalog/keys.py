"""Everything that handlers may rely on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from catalog.accounts.domain import Caller
from catalog.accounts.ports import Attempts, Passwords
from catalog.accounts.use_cases import AccountRules
from catalog.media.playback import Playback
from catalog.media.signing import FileSigner
from catalog.media.uploading import Uploading
from catalog.ports import Units
from catalog.streams.ports import Places
from catalog.streams.use_cases import StreamRules
from config.runtime.serving import Readiness
from config.settings.load import Settings

SETTINGS = web.AppKey("settings", Settings)
CLOCK = web.AppKey[Callable[[], datetime]]("clock")
UNITS = web.AppKey[Units]("units")
READINESS = web.AppKey("readiness", Readiness)
OPENAPI = web.AppKey[dict[str, Any]]("openapi")

ACCOUNT_RULES = web.AppKey("account_rules", AccountRules)
PASSWORDS = web.AppKey[Passwords]("passwords")
ATTEMPTS = web.AppKey[Attempts]("attempts")

SIGNER = web.AppKey("signer", FileSigner)
PLAYBACK = web.AppKey("playback", Playback)
UPLOADING = web.AppKey("uploading", Uploading)

STREAM_RULES = web.AppKey("stream_rules", StreamRules)
PLACES = web.AppKey[Places]("places")

CALLER = web.RequestKey("caller", Caller)
