from __future__ import annotations

import dataclasses
from ipaddress import ip_address

import pytest

from config.contracts.devices import agent_of, device_of
from config.contracts.grants import Grant, Renewal
from config.contracts.sessions import MAX_ID_CHARS
from config.settings.sessions import SessionSettings
from edge.sessions.naming import (
    NEVER,
    Facts,
    end_of,
    network_of,
    rendition_of,
    session_id,
    start_of,
    subject_of,
)

SECRET = b"s" * 32
NOW = 1_800_000_000.0


def grant(*prefixes: str, renewal: Renewal | None = None) -> Grant:
    return Grant(
        subject="user:1",
        session="session-1",
        not_before=0,
        expires_at=100,
        key_id="k",
        path_prefixes=prefixes or ("/vod/a/",),
        renewal=renewal,
        stream_limit=2,
    )


@pytest.mark.parametrize(
    ("user_agent", "agent", "device"),
    [
        ("", "", "other"),
        ("something/1.0", "other", "other"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
            "Safari/537.36",
            "Chrome",
            "desktop",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
            "Safari/537.36 Edg/140.0.0.0",
            "Edge",
            "desktop",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox",
            "desktop",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/18.0 Mobile/15E148 Safari/604.1",
            "Safari",
            "phone",
        ),
        ("AppleCoreMedia/1.0.0.22A3354 (iPad; U; CPU OS 18_0 like Mac OS X)", "AVPlayer", "tablet"),
        ("AppleCoreMedia/1.0.0.22J580 (Apple TV; U; CPU OS 18_0 like Mac OS X)", "AVPlayer", "tv"),
        (
            "ExoPlayerDemo/2.19.1 (Linux; Android 14; Pixel 8 Mobile) ExoPlayerLib/2.19.1",
            "ExoPlayer",
            "phone",
        ),
        ("Dalvik/2.1.0 (Linux; U; Android 9; AFTMM Build/PS7633)", "other", "tv"),
        (
            "Mozilla/5.0 (Linux; Android 14; SM-X910) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36",
            "Chrome",
            "tablet",
        ),
        (
            "Mozilla/5.0 (SMART-TV; LINUX; Tizen 8.0) AppleWebKit/537.36 (KHTML, like Gecko) Version/8.0 TV "
            "Safari/537.36",
            "Safari",
            "tv",
        ),
        ("Roku/DVP-12.5 (12.5.0.4178-88)", "Roku", "tv"),
        (
            "Mozilla/5.0 (PlayStation; PlayStation 5/9.00) AppleWebKit/605.1.15 Safari/605.1.15",
            "Safari",
            "console",
        ),
        ("VLC/3.0.20 LibVLC/3.0.20", "VLC", "other"),
        ("curl/8.5.0", "curl", "other"),
    ],
)
def test_a_user_agent_is_a_family_and_a_class(user_agent: str, agent: str, device: str) -> None:
    assert (agent_of(user_agent), device_of(user_agent)) == (agent, device)


def test_a_user_agent_without_end_is_read_like_any_other() -> None:
    assert agent_of("curl/8.5.0 " + "x" * 100_000) == "curl"


@pytest.mark.parametrize(
    ("path", "rendition"),
    [
        ("/vod/title/v/1.m4s", "v"),
        ("/vod/title/v/init.mp4", "v"),
        ("/vod/title/720p/seg-00012.m4s", "720p"),
        ("/vod/title/720p/12.4.m4s", "720p"),
        ("/vod/title/video_720p_00012.ts", "title/video_720p"),
        ("/vod/title/audio.mp4", "title/audio"),
        ("/vod/1.ts", "vod"),
        ("1.ts", ""),
        ("", ""),
        ("/vod/" + "x" * 100 + "/1.m4s", "x" * 48),
    ],
)
def test_a_rendition_is_a_folder_or_the_name_before_the_numbers(path: str, rendition: str) -> None:
    assert rendition_of(path) == rendition


def test_one_token_for_a_list_of_episodes_names_a_session_for_each() -> None:
    alone = session_id(grant("/vod/a/"), "/vod/a/")
    both = grant("/vod/a/", "/vod/b/")
    assert alone == "session-1"
    names = {session_id(both, prefix) for prefix in both.path_prefixes}
    assert len(names) == 2
    assert all(name.startswith("session-1.") for name in names)


def test_viewers_of_other_signers_share_no_session_and_are_no_users_of_ours() -> None:
    ours = grant()
    theirs = [
        dataclasses.replace(ours, scheme="cat"),
        dataclasses.replace(ours, scheme="cat", subject="user:2"),
        dataclasses.replace(ours, scheme="cat", issuer="another"),
        dataclasses.replace(ours, scheme="uri-signing"),
    ]
    assert len({session_id(one, "/vod/a/") for one in [ours, *theirs]}) == 5
    assert all(len(session_id(one, "/vod/a/")) <= MAX_ID_CHARS for one in theirs)
    assert subject_of(ours) == "user:1"
    assert subject_of(theirs[0]) == "cat:user:1"
    assert subject_of(dataclasses.replace(ours, scheme="cat", subject="alice")) == "alice"


@pytest.mark.parametrize(
    ("renewal", "end"),
    [
        pytest.param(None, 100, id="no renewal"),
        pytest.param(Renewal(carrier="redirect", seconds=5, within=1, until=900), 900, id="until"),
        pytest.param(Renewal(carrier="redirect", seconds=5, within=1), NEVER, id="without end"),
    ],
)
def test_a_session_ends_with_the_last_token_that_it_can_have(
    renewal: Renewal | None, end: int
) -> None:
    assert end_of(grant(renewal=renewal)) == end


@pytest.mark.parametrize(
    ("form", "address", "kept"),
    [
        ("none", "192.0.2.77", ""),
        ("prefix", "192.0.2.77", "192.0.2.0/24"),
        ("prefix", "2001:db8:1:2::3", "2001:db8:1::/48"),
        ("hash", None, ""),
    ],
)
def test_an_address_is_kept_as_the_settings_allow_it(
    form: str, address: str | None, kept: str
) -> None:
    given = None if address is None else ip_address(address)
    assert network_of(given, form=form, secret=SECRET, now=NOW) == kept


def test_the_hash_of_an_address_holds_for_a_day_and_for_one_secret() -> None:
    address = ip_address("192.0.2.77")
    hashed = network_of(address, form="hash", secret=SECRET, now=NOW)
    assert hashed == network_of(address, form="hash", secret=SECRET, now=NOW + 60)
    assert "192" not in hashed
    others = {
        network_of(address, form="hash", secret=SECRET, now=NOW + 86400),
        network_of(address, form="hash", secret=b"other", now=NOW),
        network_of(ip_address("192.0.2.78"), form="hash", secret=SECRET, now=NOW),
    }
    assert hashed not in others
    assert len(others) == 3


def test_a_start_holds_neither_address_nor_user_agent() -> None:
    facts = Facts(user_agent="curl/8.5.0 secret", address=ip_address("192.0.2.77"), country="DE")
    start = start_of(grant(), "/vod/a/", facts, settings=SessionSettings(), secret=SECRET, now=NOW)
    said = str(start.to_json())
    assert "192.0.2" not in said
    assert "secret" not in said
    assert (start.agent, start.country, start.limit, start.content) == ("curl", "DE", 2, "/vod/a/")
