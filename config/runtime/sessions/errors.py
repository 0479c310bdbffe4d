"""Every way the session store says no.

* SessionStoreError
  + LimitReached
  + StoreWarming
  + SettingsDiffer
"""

from __future__ import annotations

from config.contracts.sessions import Playing


class SessionStoreError(Exception):
    """The session store refused."""


class LimitReached(SessionStoreError):
    """As many streams of the subject play as may."""

    def __init__(self, playing: tuple[Playing, ...]) -> None:
        super().__init__(LimitReached.__doc__)
        self.playing = playing


class StoreWarming(SessionStoreError):
    """Redis came back empty and the edges have not yet told it again what plays."""

    def __init__(self, seconds: float) -> None:
        super().__init__(StoreWarming.__doc__)
        self.seconds = seconds  # until it is certain that they have


class SettingsDiffer(SessionStoreError):
    """Other edges or the catalog share this Redis with another sessions.expected or sessions.key."""

    def __init__(self) -> None:
        super().__init__(SettingsDiffer.__doc__)
