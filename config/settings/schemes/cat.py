"""Settings of CTA-5007 Common Access Tokens."""

from __future__ import annotations

from typing import Literal

from config.settings.schemes.shared import Keyed


class CommonAccessToken(Keyed):
    """CWTs in COSE as CTA-5007 says."""

    scheme: Literal["cat"]
