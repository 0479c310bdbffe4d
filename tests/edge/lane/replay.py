"""Sends one and the same request to an edge with the hot lane and to one without, and keeps what they answer."""

from __future__ import annotations

import contextlib
import os
import random
import re
import socket
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jwt
import pytest

from config.contracts.sessions import Counted
from config.contracts.tokens import ISSUER
from config.runtime.keys import KeySet, make_key_file
from config.settings.load import Settings
from edge.errors import EdgeError
from edge.lane.lane import Lane
from edge.lane.protocol import Connection
from edge.origin.carried.names import Host, Signer
from edge.target import parse_target
from tests.edge.lane.everything import LAST_MODIFIED, LAST_MODIFIED_SECONDS, body_of
from tests.edge.lane.lanes import Edge, Reader, edge_in_thread, plain
from tests.edge.lane.shapes import Recorded, fill

CARRY_KEY = "carry-key-of-the-replay-of-requests"
KEPT = 3  # requests on one connection: cold, warm, lent
NEW = 3  # connections with one request each
_ETAG = re.compile(rb"\r\nETag: ([^\r]*)\r\n")
_CONDITION = re.compile(r"(?im)^if-[^\n]*\n")
_CLOSE = re.compile(r"(?im)^connection: close\r\n")
_ELSEWHERE = {"verdict": "ok", "paths": ["/elsewhere/"]}
# Once is enough, or a body would have to follow.
_PECULIAR = re.compile(r"(?i)(host|content-length|transfer-encoding|expect) *:")


class Pair:
    """Two edges that differ in nothing but the hot lane, and what fills recorded requests for them."""

    def __init__(self, hot: Edge, ordinary: Edge, keys: KeySet, port: int) -> None:
        self._hot, self._ordinary = hot, ordinary
        self._keys = keys
        self._port = port
        self._signed: dict[str, str] = {}
        self._signer = Signer(CARRY_KEY)

    @property
    def with_lane(self) -> Lane:
        return self._hot.lane

    @property
    def without(self) -> Lane:
        return self._ordinary.lane

    def counted(self) -> tuple[Counted, Counted]:
        """What the sessions of each were given in all."""
        return self._hot.counted_in_all(), self._ordinary.counted_in_all()

    def answers(self, recorded: Recorded) -> tuple[list[bytes], list[bytes]]:
        """What the edge with the hot lane says, and the one without, to every sending of the request."""
        etag = b'"none"'
        if "⟦etag⟧" in recorded.text:
            etag = self._etag_of(recorded)
        requests = [recorded.fill(partial(self._value, recorded, etag.decode()))]
        if recorded.tokens:
            # What lies ready by then is not for everybody.
            other = replace(recorded, tokens=[_ELSEWHERE] * len(recorded.tokens))
            requests.append(other.fill(partial(self._value, other, etag.decode())))
        method = recorded.method
        return sent(self._hot, method, requests), sent(self._ordinary, method, requests)

    def _etag_of(self, recorded: Recorded) -> bytes:
        """The validator that both edges give for what is asked for, however often it was asked for before."""
        bare = replace(recorded, text=_CONDITION.sub("", recorded.text))
        request = bare.fill(partial(self._value, recorded, ""))
        tags = set()
        for edge in (self._hot, self._ordinary):
            found = _ETAG.search(ask_once(edge, bare.method, request))
            tags.add(found[1] if found else b'"none"')
        assert len(tags) == 1, (recorded, tags)
        return tags.pop()

    def _value(self, recorded: Recorded, etag: str, name: str, about: str) -> str:
        match name:
            case "token":
                return self._token(recorded.tokens[int(about)], recorded)
            case "mac":
                return self._signer.mac(Host(about, "http", f"127.0.0.1:{self._port}"))
            case "port":
                return str(self._port)
            case "uuid":
                return str(uuid.uuid5(uuid.NAMESPACE_URL, recorded.text))
            case "hex":
                return ("0123456789abcdef" * 4)[: int(about)]
            case "date":
                return LAST_MODIFIED
            case "etag":
                return etag
        raise ValueError(name)

    def _token(self, claims: dict[str, Any], recorded: Recorded) -> str:
        known = repr(claims) + ("" if "⟦" not in repr(claims) else recorded.text)
        if known not in self._signed:
            values = partial(self._value, recorded, "")
            paths = [fill(path, values) for path in claims.get("paths", ())]
            self._signed[known] = sign(self._keys, {**claims, "paths": paths})
        return self._signed[known]


def sent(edge: Edge, method: str, requests: Sequence[bytes]) -> list[bytes]:
    """The answers to the first request, sent again and again, and to the others, without what changes."""
    first, *others = requests
    answers = [ask_once(edge, method, first), *ask_kept(edge, method, first)]
    answers += [ask_once(edge, method, first) for _ in range(NEW - 1)]
    answers += [ask_once(edge, method, other) for other in others]
    return [plain(answer) for answer in answers]


def ask_once(edge: Edge, method: str, request: bytes) -> bytes:
    """The answer on a connection of its own, up to its end if the edge ends it."""
    with edge.connect() as sock:
        return _asked(sock, Reader(sock), method, request)


def ask_kept(edge: Edge, method: str, request: bytes) -> list[bytes]:
    """The answers on one connection, or on the next where the edge ends it."""
    answers: list[bytes] = []
    with contextlib.ExitStack() as stack:
        sock: socket.socket | None = None
        for _ in range(KEPT):
            if sock is None:
                sock = stack.enter_context(edge.connect())
                reader = Reader(sock)
            answers.append(_asked(sock, reader, method, request))
            if _is_last(answers[-1]):
                sock = None
    return answers


def _asked(sock: socket.socket, reader: Reader, method: str, request: bytes) -> bytes:
    with contextlib.suppress(ConnectionError):  # refused before the last piece
        sock.sendall(request)
    answer = reader.answer(method.encode())
    return answer + reader.rest() if _is_last(answer) else answer


def _is_last(answer: bytes) -> bool:
    head = answer.partition(b"\r\n\r\n")[0].lower()
    return not answer or b"\r\nconnection: close" in head or not head.startswith(b"http/1.1")


def sign(keys: KeySet, claims: dict[str, Any]) -> str:
    """A token with these claims, and what is said to be wrong with it."""
    now, verdict = int(time.time()), claims["verdict"]
    begins = now + 7200 if verdict == "token-not-yet-valid" else now - 7200
    ends = now - 3600 if verdict == "token-expired" else begins + 14400
    payload = {"iss": ISSUER, "sub": "user:1", "sid": "session-1", "iat": begins, "exp": ends}
    payload |= {name: value for name, value in claims.items() if name != "verdict"}
    if verdict == "token-bad-claims":
        payload["paths"] = "none"
    [key] = keys.keys.values()
    key_id = "nobody" if verdict == "token-unknown-key" else key.key_id
    token = jwt.encode(payload, key.signing, algorithm=key.algorithm, headers={"kid": key_id})  # type: ignore[arg-type]
    if verdict == "token-bad-signature":
        start, _, signature = token.rpartition(".")
        token = f"{start}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    return token


@contextlib.contextmanager
def pair_of_edges(
    kind: str, recorded: Sequence[Recorded], folder: Path, port: int
) -> Iterator[Pair]:
    """Edges of this kind over one origin, and over one folder with a file for every path."""
    settings = Settings.model_validate(
        {"var_dir": folder / "var", "edge": _edge(kind, recorded, folder, port)}
    )
    for each in recorded:
        if each.kind in ("storage", "folder") and each.origin is not None:
            root = (
                settings.storage_folder / "media"
                if each.kind == "storage"
                else folder / each.origin
            )
            _put_file(root, each)
    make_key_file(settings.keys_file)
    keys = KeySet.read(settings.keys_file)
    without = settings.model_copy(
        update={"edge": settings.edge.model_copy(update={"hot_lane": False})}
    )
    with edge_in_thread(settings, keys) as hot, edge_in_thread(without, keys) as ordinary:
        yield Pair(hot, ordinary, keys, port)


def _edge(kind: str, recorded: Sequence[Recorded], folder: Path, port: int) -> dict[str, Any]:
    which, about = kind.split(" ")
    public = which != "tokens"
    http = {"kind": "http", "url": f"http://127.0.0.1:{port}", "public": public, "private": True}
    files = {"public": public, "fresh": 1000}
    origins: dict[str, dict[str, Any]] = {}
    for each in recorded:
        if each.origin is None or each.origin in origins:
            continue
        if each.kind == "storage":
            origins[each.origin] = {"kind": "storage", "prefix": "media", **files}
        elif each.kind == "folder":
            (folder / each.origin).mkdir(exist_ok=True)
            origins[each.origin] = {"kind": "folder", "folder": folder / each.origin, **files}
        else:
            origins[each.origin] = {**http, "unlisted": "refuse" if which == "root" else "carry"}
    edge: dict[str, Any] = {
        "node": "edge",
        "public_url": "http://edge.example",
        "manifest_max_age": 1000,
        "carry_key": CARRY_KEY,
        "cache": {"prefetch": {"ahead": 0}},
        "origins": origins,
    }
    if which == "root":
        name = next(iter(origins))  # no path shows it
        return {
            **edge,
            "root_origin": name,
            "origins": {name: origins[name]},
            "cache": {**edge["cache"], "profile": about},
        }
    return {**edge, "entry": about}


def _put_file(root: Path, recorded: Recorded) -> None:
    """What the origin of everything has under the path, as a file; nothing if the path is none."""
    try:
        path = unquote(parse_target(fill(recorded.text.split(" ", 2)[1], lambda *_: "x")).path)
        body = body_of(path)
        if body is None or not path or path.endswith("/"):
            return
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
        os.utime(file, (LAST_MODIFIED_SECONDS, LAST_MODIFIED_SECONDS))
    except (EdgeError, OSError, ValueError):
        return


def kept_alive(recorded: Sequence[Recorded]) -> list[Recorded]:
    """What was asked on connections of its own, asked for on one that lives on."""
    shorter = (replace(each, text=_CLOSE.sub("", each.text), test="generated") for each in recorded)
    known = {each.text for each in recorded}
    return list({each.text: each for each in shorter if each.text not in known}.values())


def combined(recorded: Sequence[Recorded], count: int, seed: int) -> list[Recorded]:
    """New requests: the target of one recorded request with fields of others."""
    chance = random.Random(seed)
    heads = [each for each in recorded if each.text.endswith("\r\n\r\n")]
    fields = sorted({line for each in heads for line in each.text.split("\r\n")[1:-2] if line})
    fields = [each for each in fields if "⟦token" not in each and not _PECULIAR.match(each)]
    found = []
    for _ in range(count):
        start = chance.choice(heads).text.split("\r\n")[0]
        base = next(each for each in heads if each.text.startswith(start))
        chosen = chance.sample(fields, chance.randrange(min(4, len(fields)) + 1))
        text = "\r\n".join([start, "Host: edge.example", *chosen, "", ""])
        found.append(replace(base, text=text, test="generated"))
    return found


@contextlib.contextmanager
def hits_counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[Lane]]:
    """How many requests each hot lane answers."""
    hits: Counter[Lane] = Counter()
    give: Callable[[Connection, str, str, str | None, bytes], bool] = Connection._give

    def counted(
        connection: Connection, target: str, codings: str, said: str | None, data: bytes
    ) -> bool:
        given = give(connection, target, codings, said, data)
        hits[connection._lane] += given
        return given

    with monkeypatch.context() as patched:
        patched.setattr(Connection, "_give", counted)
        yield hits
