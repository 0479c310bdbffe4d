"""What the parent hands to a worker: its place, and the settings as the parent read and checked them."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic_core import to_jsonable_python
from pydantic_settings import PydanticBaseSettingsSource

from config.settings.load import Settings

_LENGTH = struct.Struct("!I")
_LONGEST_WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """Where the parent follows sessions, and what it hashes addresses with."""

    socket: Path
    secret: bytes

    def to_json(self) -> dict[str, str]:
        """What ``from_json`` reads."""
        return {"socket": str(self.socket), "secret": self.secret.hex()}

    @classmethod
    def from_json(cls, value: Mapping[str, str]) -> Followed:
        """What ``to_json`` made."""
        return cls(socket=Path(value["socket"]), secret=bytes.fromhex(value["secret"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """One worker process: a restart in a moment of bad settings on disk must not read those."""

    name: str  # under which it counts: w0a, w0b
    slot: int
    count: int  # of slots
    peer_socket: Path
    beat_seconds: float
    keys_file: Path | None  # None: there are no keys, and no token is good
    carry_secret: str  # for all workers as long as the parent lives; the settings may have one that goes before
    settings: Settings
    followed: Followed | None = None  # None: nobody follows sessions

    @property
    def process(self) -> str:
        """A name that no other process of the same parent has, earlier or later."""
        return self.peer_socket.stem

    def to_bytes(self) -> bytes:
        """What ``receive`` reads."""
        keys = None if self.keys_file is None else str(self.keys_file)
        message = json.dumps(
            {
                "name": self.name,
                "slot": self.slot,
                "count": self.count,
                "peer_socket": str(self.peer_socket),
                "beat_seconds": self.beat_seconds,
                "keys_file": keys,
                "carry_secret": self.carry_secret,
                "settings": _revealed(self.settings),
                "followed": None if self.followed is None else self.followed.to_json(),
            }
        ).encode()
        return _LENGTH.pack(len(message)) + message

    @classmethod
    def receive(cls, sock: socket.socket) -> Handover:
        """Read it from the parent, in a process that has no event loop yet."""
        sock.settimeout(_LONGEST_WAIT_SECONDS)
        (length,) = _LENGTH.unpack(_exactly(sock, _LENGTH.size))
        fields: dict[str, Any] = json.loads(_exactly(sock, length))
        sock.setblocking(False)
        keys, followed = fields.pop("keys_file"), fields.pop("followed")
        return cls(
            peer_socket=Path(fields.pop("peer_socket")),
            keys_file=None if keys is None else Path(keys),
            settings=_Handed.model_validate(fields.pop("settings")),
            followed=None if followed is None else Followed.from_json(followed),
            **fields,
        )


class _Handed(Settings):
    """Settings with nothing of this process's own environment mixed in."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[Settings],  # type: ignore[override]
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def _revealed(value: object) -> Any:
    """Plain JSON values, secrets included: the way leads over a socket pair, to our own child only."""
    match value:
        case BaseModel():
            names = type(value).model_fields
            return {name: _revealed(getattr(value, name)) for name in names}
        case SecretStr():
            return value.get_secret_value()
        case Mapping():
            return {str(name): _revealed(item) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_revealed(item) for item in value]
        case _:
            return to_jsonable_python(value)


def _exactly(sock: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        piece = sock.recv(length - len(data))
        if not piece:
            raise ConnectionError("the parent ended")
        data += piece
    return data
