"""What links of each scheme open beyond their own file, and which keys they may have."""

from __future__ import annotations

import pytest

from edge.errors import (
    HeaderNotCovered,
    NotAllowed,
    PathNotCovered,
    TokenBadClaims,
    TokenBadSignature,
    TokenUnknownKey,
    TokenUnsupported,
)
from tests.edge.tokens.links import signing
from tests.edge.tokens.links.asking import NOW, ask, carried, is_served, opened
from tests.edge.tokens.links.opened import (
    AKAMAI_KEY,
    HOUR,
    access_control,
    akamai,
    secure_link,
    url_sig,
)

ENDS = int(NOW) + 600
MANIFEST = "/vod/movie/master.m3u8"


def test_a_link_to_a_manifest_opens_its_folder_where_the_settings_say_so() -> None:
    links = (
        (secure_link(reach="folder"), signing.nginx(MANIFEST, ENDS)),
        (url_sig(reach="folder"), signing.url_sig(MANIFEST, f"E={ENDS}&A=1&K=3&P=1")),
        (
            akamai(reach="folder"),
            f"{MANIFEST}?hdnts=" + signing.akamai(f"exp={ENDS}", key=AKAMAI_KEY, url=MANIFEST),
        ),
    )
    for verifier, link in links:
        grant = ask(verifier, link)
        assert grant.path_prefixes == ("/vod/movie/",)
        opened(grant, "/vod/movie/video/1.m4s?anything=1")
        with pytest.raises(PathNotCovered):
            opened(grant, "/vod/movie2/video/1.m4s")


def test_a_filter_before_the_path_is_not_a_part_of_what_is_signed() -> None:
    link = signing.nginx(MANIFEST, ENDS)
    grant = ask(secure_link(), f"/f/height:lte:720{link}")
    assert grant.path_prefixes == ("/vod/movie/",)
    assert carried(secure_link(), f"/f/height:lte:720{link}").path == f"/f/height:lte:720{MANIFEST}"


def test_what_belongs_to_the_signature_is_taken_out_and_nothing_else() -> None:
    link = signing.nginx(MANIFEST, ENDS)
    found = carried(secure_link(), link.replace("?", "?a=%20&a=2&") + "&z&=&b=1")
    assert found.query == "a=%20&a=2&z&=&b=1"
    sig = signing.url_sig(MANIFEST, f"id=5&CODE=x&E={ENDS}&A=1&K=3&P=1")
    assert carried(url_sig(), sig).query == "id=5&CODE=x"
    assert carried(url_sig(), sig + "&added=1").query == "id=5&CODE=x"


MASKS = [
    pytest.param("1", ["/vod/a/b.ts"], ["/vod/a/c.ts", "/vod/a/b.ts/d"], id="everything"),
    pytest.param("01", ["/vod/a/b.ts"], ["/vod/a/c.ts"], id="everything but the host"),
    pytest.param("110", ["/vod/a/b.ts", "/vod/x", "/vod/a/b/c"], ["/live/a/b.ts"], id="the first folder"),
    pytest.param("1110", ["/vod/a/x.ts", "/vod/a/x/y"], ["/vod/b/b.ts", "/vod/ab"], id="two folders"),
    pytest.param("11110", ["/vod/a/b.ts", "/vod/a/b.ts/x"], ["/vod/a/c.ts"], id="all, and what is below"),
    pytest.param("1101", ["/vod/a/b.ts", "/vod/x/b.ts"], ["/vod/x/c.ts", "/vod/x/y/b.ts"], id="any folder between"),
    pytest.param("11010", ["/vod/a/b.ts", "/vod/x/b.ts/y"], ["/vod/x/c.ts"], id="any folder between, and below"),
]  # fmt: skip


@pytest.mark.parametrize(("mask", "good", "bad"), MASKS)
def test_the_parts_that_are_signed_decide_what_a_link_opens(
    mask: str, good: list[str], bad: list[str]
) -> None:
    link = signing.url_sig("/vod/a/b.ts", f"E={ENDS}&A=1&K=3&P={mask}", parts=mask)
    grant = ask(url_sig(), link)
    for path in good:
        opened(grant, path)
    for path in bad:
        with pytest.raises(PathNotCovered):
            opened(grant, path)


@pytest.mark.parametrize("mask", ["101", "1001", "10", "0", "00", "12", "", "1" * 65])
def test_a_link_whose_signature_is_not_over_the_origin_is_refused(mask: str) -> None:
    link = signing.url_sig("/vod/a/b.ts", f"E={ENDS}&A=1&K=3&P={mask}", parts=mask or "1")
    with pytest.raises(NotAllowed):
        ask(url_sig(), link)


def test_unless_the_settings_name_its_origins() -> None:
    link = signing.url_sig("/vod/a/b.ts", f"E={ENDS}&A=1&K=3&P=101", parts="101")
    grant = ask(url_sig(origins=("vod", "live")), link)
    opened(grant, "/live/a/b.ts")
    with pytest.raises(PathNotCovered):
        opened(grant, "/other/a/b.ts")


SCOPES = [
    pytest.param("", ["/vod/a.ts", "/live/b.ts"], [], id="none"),
    pytest.param("&scope=/", ["/vod/a.ts", "/live/b.ts"], [], id="everything"),
    pytest.param("&scope=/vod/a/", ["/vod/a/b.ts"], ["/vod/a", "/vod/ab/c.ts"], id="folder"),
    pytest.param("&scope=/vod/a.ts", ["/vod/a.ts"], ["/vod/a.ts2", "/vod/b.ts"], id="file"),
]


@pytest.mark.parametrize(("scope", "good", "bad"), SCOPES)
def test_the_scope_of_an_access_token_is_a_path(
    scope: str, good: list[str], bad: list[str]
) -> None:
    cookies = {"TokenCookie": signing.access_token(f"sub=frogs&exp={ENDS}{scope}&kid=key1")}
    for path in good:
        assert is_served(access_control(), path, cookies=cookies)
    for path in bad:
        assert not is_served(access_control(), path, cookies=cookies)


@pytest.mark.parametrize("scope", ["vod", "*", "https://media.example.com/vod/"])
def test_another_scope_is_refused_and_not_ignored(scope: str) -> None:
    cookies = {"TokenCookie": signing.access_token(f"sub=frogs&exp={ENDS}&scope={scope}&kid=key1")}
    with pytest.raises(TokenUnsupported):
        ask(access_control(), "/vod/a.ts", cookies=cookies)


def test_an_access_token_may_stand_in_a_parameter_that_the_settings_name() -> None:
    token = signing.access_token(f"sub=frogs&exp={ENDS}&kid=key1")
    verifier = access_control(parameter="access")
    assert is_served(verifier, f"/vod/a.ts?access={token}&x=1")
    assert carried(verifier, f"/vod/a.ts?access={token}&x=1").query == "x=1"
    assert not is_served(verifier, f"/vod/a.ts?access={token}&access={token}")
    assert not is_served(access_control(), f"/vod/a.ts?access={token}")


def test_akamais_session_id_is_the_grants() -> None:
    token = signing.akamai(f"exp={ENDS}~acl=/vod/*~id=sess-1~data=x", key=AKAMAI_KEY)
    assert ask(akamai(), f"/vod/a.ts?hdnts={token}").session == "sess-1"


@pytest.mark.parametrize(
    "acl", ["vod/*", "", "!", "/vod/*!", "*", "!".join(["/a"] * 33), "/" + "*" * 40]
)
def test_an_acl_of_another_form_is_refused(acl: str) -> None:
    token = signing.akamai(f"exp={ENDS}~acl={acl}", key=AKAMAI_KEY)
    with pytest.raises((TokenBadClaims, TokenUnsupported)):
        ask(akamai(), f"/vod/a.ts?hdnts={token}")


def test_a_field_that_akamai_does_not_know_is_refused() -> None:
    token = signing.akamai(f"exp={ENDS}~acl=/*~geo=DE", key=AKAMAI_KEY)
    assert not is_served(akamai(), f"/vod/a.ts?hdnts={token}")


def test_a_token_for_one_url_is_for_its_query_too_where_the_settings_say_so() -> None:
    path = "/vod/a.ts"
    token = signing.akamai(f"exp={ENDS}", key=AKAMAI_KEY, url=f"{path}?x=1")
    assert is_served(akamai(ignore_query=False), f"{path}?x=1&hdnts={token}")
    assert not is_served(akamai(ignore_query=False), f"{path}?x=2&hdnts={token}")
    assert not is_served(akamai(), f"{path}?x=1&hdnts={token}")


def test_a_user_agent_that_is_signed_is_asked_for_again() -> None:
    verifier = secure_link(
        expression="$uri $http_user_agent $secret", expires_parameter="", lifetime=HOUR
    )
    import hashlib

    digest = hashlib.md5(b"/vod/a.ts Player/1 enigma", usedforsecurity=False).digest()
    link = f"/vod/a.ts?md5={signing.base64url(digest)}"
    grant = ask(verifier, link, user_agent="Player/1")
    with pytest.raises(HeaderNotCovered):
        opened(grant, "/vod/a.ts", user_agent="Player/2")
    with pytest.raises(TokenBadSignature):
        ask(verifier, link, user_agent="Player/2")


def test_several_keys_are_good_at_once_while_they_are_rotated() -> None:
    nginx = signing.nginx(MANIFEST, ENDS)
    assert is_served(secure_link(secrets=("new", "enigma")), nginx)
    assert not is_served(secure_link(secrets=("new", "newer")), nginx)
    first = ask(secure_link(secrets=("enigma", "new")), nginx).key_id
    assert first != ask(secure_link(secrets=("new", "enigma")), nginx).key_id

    sig = signing.url_sig(MANIFEST, f"E={ENDS}&A=1&K=3&P=1")
    assert is_served(url_sig(keys={"key3": "hush", "key4": "new"}), sig)
    with pytest.raises(TokenUnknownKey):
        ask(url_sig(keys={"key4": "hush"}), sig)

    cookies = {"TokenCookie": signing.access_token(f"sub=frogs&exp={ENDS}&kid=key1")}
    assert is_served(
        access_control(keys={"key1": "PEIFtmunx9", "key2": "new"}), MANIFEST, cookies=cookies
    )
    with pytest.raises(TokenUnknownKey):
        ask(access_control(keys={"key2": "PEIFtmunx9"}), MANIFEST, cookies=cookies)

    token = signing.akamai(f"exp={ENDS}~acl=/*", key=AKAMAI_KEY)
    assert is_served(akamai(secrets=("00ff", AKAMAI_KEY)), f"{MANIFEST}?hdnts={token}")
    assert not is_served(akamai(secrets=("00ff",)), f"{MANIFEST}?hdnts={token}")


def test_a_link_that_holds_for_too_long_is_refused() -> None:
    assert is_served(secure_link(max_lifetime=HOUR), signing.nginx(MANIFEST, int(NOW) + 3600))
    with pytest.raises(TokenBadClaims):
        ask(secure_link(max_lifetime=HOUR), signing.nginx(MANIFEST, int(NOW) + 3601))


def test_rules_can_be_shown_to_people() -> None:
    sig = signing.url_sig("/vod/a/b.ts", f"C=192.0.2.7&E={ENDS}&A=1&K=3&P=1101", parts="1101")
    token = signing.akamai(f"exp={ENDS}~acl=/vod/?/*.ts", key=AKAMAI_KEY)
    shown = [rule.to_json() for rule in ask(url_sig(), sig).rules]
    assert shown == [{"parts": "/vod/*/b.ts"}, {"networks": ["192.0.2.7/32"]}]
    assert [rule.to_json() for rule in ask(akamai(), f"/vod/a/b.ts?hdnts={token}").rules] == [
        {"path_matches": ["/vod/?/*.ts"]}
    ]
