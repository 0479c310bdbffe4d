"""Reads what ``-progress pipe:1`` writes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Progress:
    """How far an encoder has come."""

    seconds: float = 0.0  # of media, of the slowest output
    frame_count: int = 0  # of the first video output

    def read(self, line: bytes) -> bool:
        """Take in one line; whether it moved anything on."""
        name, _, text = line.partition(b"=")
        try:
            value = int(text)
        except ValueError:  # "N/A" before the first frame, and fields that are no numbers
            return False
        # `out_time_ms` is in microseconds too, whatever its name says: only `out_time_us` is read.
        if name == b"out_time_us" and value > self.seconds * 1e6:
            self.seconds = value / 1e6
            return True
        if name == b"frame" and value > self.frame_count:
            self.frame_count = value
            return True
        return False
