"""Ten thousand viewers in one process: each reads a piece of its file once a second, and asks anew at its end.

``python -m benchmarks.paced PORT PATH VIEWERS PIECE_BYTES``: prints ``ready`` when all are being served, then goes on
until its input ends, and prints what they saw as JSON.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from dataclasses import dataclass

SLOTS = 100  # in each second a hundredth of the viewers read at a time
RECEIVE_BYTES = 65536  # a small window: the rest of what was asked for waits at the server
STARTING_SECONDS = 20
_HEAD_END = b"\r\n\r\n"


@dataclass(slots=True)
class Viewer:
    """One connection, and how much of the present answer is still to come."""

    sock: socket.socket
    request: bytes
    left: int = 0
    failed: bool = False

    def ask(self) -> None:
        self.left = -1  # the head is still to come
        self.sock.send(self.request)

    def read(self, piece: int) -> int:
        """Read up to a piece; the bytes of it, 0 if there was nothing to read."""
        try:
            data = self.sock.recv(piece)
        except BlockingIOError:
            return 0
        except OSError:
            data = b""
        if not data:
            self.failed = True
            return 0
        if self.left < 0:
            head, found, body = data.partition(_HEAD_END)
            if not found or not head.startswith(b"HTTP/1.1 200"):
                self.failed = True
                return 0
            _, _, length = head.lower().partition(b"\r\ncontent-length: ")
            self.left = int(length.partition(b"\r\n")[0]) - len(body)
        else:
            self.left -= len(data)
        if self.left == 0:
            self.ask()
        return len(data)


def main() -> None:
    """Connect all, say so, and read in turns until told to end."""
    port, path, count, piece = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    viewers = [connected(port, path.replace("{n}", str(number % 32))) for number in range(count)]
    for number, viewer in enumerate(viewers):
        viewer.ask()
        if number % 50 == 49:
            time.sleep(0.005)  # a crowd, not a wall
    slots = [viewers[number::SLOTS] for number in range(SLOTS)]
    began = time.perf_counter()
    waiting = rounds = 0
    for rounds in range(1, STARTING_SECONDS + 1):
        a_second(slots, began + rounds - 1, piece)
        waiting = sum(viewer.left < 0 for viewer in viewers)
        if not waiting:
            break
    print("ready", flush=True)
    passed = starved = seconds = 0
    while not (seconds and select.select([sys.stdin], [], [], 0)[0]):
        got, nothing = a_second(slots, began + rounds + seconds, piece)
        passed, starved, seconds = passed + got, starved + nothing, seconds + 1
    told = {
        "failed": sum(viewer.failed for viewer in viewers),
        "still_waiting": waiting,
        "bytes_per_second": passed / seconds,
        "empty_handed": starved / (seconds * count),
    }
    print(json.dumps(told))


def a_second(slots: list[list[Viewer]], began: float, piece: int) -> tuple[int, int]:
    """Let each read once; the bytes that came, and how many found nothing."""
    passed = starved = 0
    for number, slot in enumerate(slots):
        time.sleep(max(0.0, began + number / SLOTS - time.perf_counter()))
        for viewer in slot:
            if not viewer.failed:
                got = viewer.read(piece)
                passed += got
                starved += not got
    return passed, starved


def connected(port: int, path: str) -> Viewer:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    sock.settimeout(20)
    sock.connect(("127.0.0.1", port))
    sock.setblocking(False)
    return Viewer(sock, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


if __name__ == "__main__":
    main()
