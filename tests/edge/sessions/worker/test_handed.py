from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from config.settings.load import Settings
from edge.processes.fleet import Checked, follows_sessions
from edge.processes.handover import Followed, Handover
from edge.processes.reload import fixed_changes


@pytest.mark.parametrize(
    "followed",
    [None, Followed(socket=Path("/run/sessions.sock"), secret=bytes(range(256)))],
    ids=["nobody follows", "followed"],
)
def test_a_worker_is_told_where_sessions_are_followed(followed: Followed | None) -> None:
    handover = Handover(
        name="w0a",
        slot=0,
        count=1,
        peer_socket=Path("/run/w0-0.sock"),
        beat_seconds=0.5,
        keys_file=None,
        carry_secret="carried",
        settings=Settings(),
        followed=followed,
    )
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(handover.to_bytes())
        assert Handover.receive(theirs).followed == followed


def test_settings_of_sessions_are_the_parents_for_its_life() -> None:
    old = Settings()
    new = Settings.model_validate(old.model_dump() | {"sessions": {"limit": 7}})
    assert fixed_changes(old, new) == ("sessions",)
    assert fixed_changes(old, old) == ()


def test_sessions_need_to_be_wanted_and_a_key_that_some_token_is_good_with() -> None:
    wanted = Checked(settings=Settings(), keys_file=Path("/keys.json"))
    unwanted = Settings.model_validate({"sessions": {"enabled": False}})
    published = Settings.model_validate({"tokens": {"jwks_url": "https://catalog.example/jwks"}})
    assert follows_sessions(wanted)
    assert follows_sessions(Checked(settings=published, keys_file=None))
    assert not follows_sessions(replace(wanted, settings=unwanted))
    assert not follows_sessions(replace(wanted, keys_file=None))
