"""Settings of RFC 9246 URI signing."""

from __future__ import annotations

from typing import Literal

from config.settings.schemes.shared import Keyed


class UriSigning(Keyed):
    """Signed and encrypted JWTs as RFC 9246 says."""

    scheme: Literal["uri-signing"]
