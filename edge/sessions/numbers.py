"""The numbers that a player gives to its reports (``sn``): which came twice, and how many never came."""

from __future__ import annotations

from edge.sessions.cmcd.values import Cmcd

_WINDOW = 64  # reports that may come out of order
_MOST_GAP = 10_000  # beyond it the player has begun to count anew
_MOST = 2**31
MOST_LOST = 65_535


class Numbers:
    """Of the reports to one destination."""

    __slots__ = ("_before", "_highest", "_latest_ts", "_mask", "_sid", "heard", "session")

    def __init__(self) -> None:
        self.heard = 0  # reports with a number, each once
        self.session = 0  # how many times the player has begun to count
        self._before = 0  # that were due in earlier sessions of the player
        self._highest = -1
        self._mask = 0  # bit n: highest - n came
        self._sid: str | None = None
        self._latest_ts = 0

    @property
    def due(self) -> int:
        """How many the player has sent."""
        return min(self._before + self._highest + 1, _MOST)

    @property
    def lost(self) -> int:
        """How many of them did not come."""
        return min(max(0, self.due - self.heard), MOST_LOST)

    def take(self, cmcd: Cmcd) -> bool:
        """Whether the report is a new one; one without a number is."""
        number = cmcd.integers.get("sn")
        if number is None:
            return True
        sid = cmcd.texts.get("sid")
        if self._begins_anew(number, sid, cmcd.integers.get("ts")):
            self._begin(number, sid)
            return True
        ahead = number - self._highest
        if ahead > 0:
            seen = (self._mask << ahead) | 1 if ahead < _WINDOW else 1
            self._mask, self._highest = seen & ((1 << _WINDOW) - 1), number
        elif self._mask >> -ahead & 1:
            return False
        else:
            self._mask |= 1 << -ahead
        self.heard += 1
        return True

    def _begins_anew(self, number: int, sid: str | None, ts: int | None) -> bool:
        is_newer = ts is None or ts > self._latest_ts
        self._latest_ts = max(self._latest_ts, ts or 0)
        if self._highest < 0 or sid not in (None, self._sid):
            return True
        # A page that was loaded again may keep its session, and counts from nought.
        is_far = not -_WINDOW < number - self._highest <= _MOST_GAP
        return is_far or (number == 0 and self._highest > 2 and is_newer)

    def _begin(self, number: int, sid: str | None) -> None:
        # What was sent before this process heard any went to another, or is lost: whoever joins them sees which.
        self._before = min(self._before + self._highest + 1, _MOST)
        self.session += 1
        self._highest, self._mask, self._sid = min(number, _MOST), 1, sid
        self.heard += 1
