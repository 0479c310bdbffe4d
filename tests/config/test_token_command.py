from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from config.runtime.jwk import new_jwk
from tests.config import forked

EDGE = "https://media.example.com"
FILE = f"{EDGE}/vod/title/1.m4s"

Kawa = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def kawa(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Kawa:
    """``kawa token`` in a folder of its own."""
    scratch = tmp_path_factory.mktemp("said")

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        done = forked.kawa(
            "token", *arguments, folder=tmp_path, scratch=scratch, environment=environment
        )
        assert "Traceback" not in done.stderr
        return done

    return run


def write(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(0o600)
    return str(path)


@pytest.fixture(scope="session")
def pems() -> dict[str, tuple[bytes, bytes]]:
    """A private key and its public half, of each kind that CloudFront knows."""
    private: dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = {
        "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "other": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "ec": ec.generate_private_key(ec.SECP256R1()),
    }
    return {
        name: (
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        )
        for name, key in private.items()
    }


@pytest.fixture
def files(tmp_path: Path, pems: dict[str, tuple[bytes, bytes]]) -> dict[str, str]:
    """A file with keys for each scheme, by the scheme's name, and others that sign the same with other keys."""
    content = {"kty": "oct", "kid": "enc", "use": "enc", "alg": "A128GCM"}
    content["k"] = base64.urlsafe_b64encode(bytes(16)).decode().rstrip("=")
    found: dict[str, str] = {}
    for scheme, algorithm in (("kawa", "EdDSA"), ("uri-signing", "ES256"), ("cat", "HS256")):
        for other in ("", "other "):
            keys = [new_jwk(algorithm, key_id="k1"), content]
            text = json.dumps({"keys": keys})
            found[other + scheme] = write(tmp_path / f"{other}{scheme}.json", text)
    secrets = {
        "url-sig": "key3 = hush",
        "access-control": "key1 = PEIFtmunx9",
        "secure-link": "enigma",
        "akamai": "aabbccddeeff00112233445566778899",
    }
    others = {"url-sig": "key3 = hash", "access-control": "key1 = PEIFtmunx8"}
    others |= {"secure-link": "riddle", "akamai": "00" * 16}
    for scheme, text in secrets.items():
        found[scheme] = write(tmp_path / f"{scheme}.txt", f"{text}\n")
        found[f"other {scheme}"] = write(tmp_path / f"other {scheme}.txt", f"{others[scheme]}\n")
    found["cloudfront"] = write(tmp_path / "cloudfront.pem", pems["rsa"][0])
    found["cloudfront public"] = write(tmp_path / "cloudfront.pub", pems["rsa"][1])
    found["cloudfront ec"] = write(tmp_path / "ec.pem", pems["ec"][0])
    found["other cloudfront"] = write(tmp_path / "other.pub", pems["other"][1])
    return found


def verdict(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What ``verify --json`` said, which is one line and agrees with the exit status."""
    assert done.stdout.count("\n") == 1, done.stderr
    row: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if row["ok"] else 1)
    assert row.keys() - {"ok", "scheme"} == ({"grant"} if row["ok"] else {"reason", "message"})
    return row


PATHS = ("/vod/title/",)
ROUND_TRIPS = [
    pytest.param("kawa", (*PATHS, "--subject", "v", "--method", "GET"), "sub", id="kawa"),
    pytest.param(
        "uri-signing",
        (*PATHS, "--issuer", "cdn", "--subject", "v", "--network", "192.0.2.0/24", "--renew", "60"),
        "cdniuc",
        id="uri-signing",
    ),
    pytest.param(
        "cat",
        (*PATHS, "--subject", "v", "--country", "SE", "--network", "192.0.2.0/24", "--method", "GET"),
        "catu",
        id="cat",
    ),
    pytest.param("url-sig", ("--network", "192.0.2.7"), "E", id="url-sig"),
    pytest.param("access-control", ("/vod/title/", "--subject", "v"), "sub", id="access-control"),
    pytest.param("secure-link", ("--network", "192.0.2.7"), "expires", id="secure-link"),
    pytest.param("cloudfront", (), "Expires", id="cloudfront"),
    pytest.param("akamai", PATHS, "acl", id="akamai"),
]  # fmt: skip


@pytest.mark.parametrize(("scheme", "arguments", "claim"), ROUND_TRIPS)
def test_what_is_minted_can_be_inspected_and_verified(
    kawa: Kawa, files: dict[str, str], scheme: str, arguments: tuple[str, ...], claim: str
) -> None:
    settings = {"KAWA_EDGE__PUBLIC_URL": EDGE}
    links = scheme in ("url-sig", "secure-link", "cloudfront")
    url = ("--url", FILE) if links else ()
    made = kawa("mint", "--scheme", scheme, "--keys", files[scheme], *arguments, *url, **settings)
    assert made.returncode == 0, made.stderr
    text = made.stdout.strip()

    shown = json.loads(kawa("inspect", text, "--json").stdout)
    assert shown["scheme"] == scheme
    assert claim in shown["claims"]
    assert any("T" in value and "+00:00" in value for value in shown["times"].values())

    asked = ("--ip", "192.0.2.7", "--country", "SE", "--json")
    keys = files["cloudfront public" if scheme == "cloudfront" else scheme]
    good = verdict(kawa("verify", text, "--url", text if links else FILE, *asked, "--keys", keys))
    assert (good["ok"], good["scheme"]) == (True, scheme), good
    assert good["grant"]["expires_at"] - time.time() > 3500
    if arguments[1:3] == ("--subject", "v"):
        assert good["grant"]["subject"] == "v"

    wrong = verdict(kawa("verify", text, *asked[4:], "--keys", files[f"other {scheme}"]))
    assert (wrong["ok"], wrong["scheme"]) == (False, scheme)
    assert wrong["reason"] == "token-bad-signature"

    elsewhere = f"{EDGE}/vod/other/1.m4s"
    other = (text.replace("/title/", "/other/"),) if links else (text, "--url", elsewhere)
    refused = verdict(kawa("verify", *other, *asked, "--keys", keys))
    assert refused["reason"] == ("token-bad-signature" if links else "path-not-covered")


def test_settings_say_who_signs_and_who_verifies(
    kawa: Kawa, files: dict[str, str], tmp_path: Path, pems: dict[str, tuple[bytes, bytes]]
) -> None:
    write(tmp_path / "ec.pub", pems["ec"][1])
    (tmp_path / "kawa.toml").write_text(
        f"""
        [edge]
        public_url = "{EDGE}"
        [tokens.signers.cdn]
        scheme = "uri-signing"
        keys_file = "{files["uri-signing"]}"
        issuers = ["origin"]
        [tokens.signers.aws]
        scheme = "cloudfront"
        public_keys = {{ K9 = "ec.pub" }}
        hashes = ["sha256"]
        """
    )

    token = kawa("mint", "/vod/title/", "--signer", "cdn", "--for", "10m").stdout.strip()
    good = verdict(kawa("verify", f"{EDGE}/t/{token}/vod/title/1.m4s", "--json"))
    assert good["grant"]["issuer"] == "origin"
    # The host that a request names says nothing: it is the edge's own URL that was signed.
    assert verdict(kawa("verify", f"http://x/t/{token}/vod/title/1.m4s", "--json"))["ok"]
    assert not verdict(kawa("verify", token, "--url", "/live/1.m4s", "--json"))["ok"]

    signed = kawa(
        *("mint", "--signer", "aws", "--keys", files["cloudfront ec"], "--url", FILE, "--json")
    )
    url = json.loads(signed.stdout)["url"]
    assert "Hash-Algorithm=SHA256" in url
    assert verdict(kawa("verify", url, "--json"))["grant"]["key_id"] == "K9"
    assert verdict(kawa("verify", url, "--json", "--signer", "cdn"))["reason"] == "token-missing"
    assert kawa("verify", url, "--signer", "nobody").returncode == 2


def test_a_token_is_found_wherever_a_request_carries_it(kawa: Kawa, files: dict[str, str]) -> None:
    keys = ("--keys", files["kawa"], "--json")
    token = kawa("mint", "/vod/title/", "--scheme", "kawa", *keys[:2]).stdout.strip()

    for arguments in (
        (token,),
        (f"{EDGE}/t/{token}/vod/title/1.m4s",),
        (f"/t/{token}/f/height:..720/vod/title/master.m3u8",),
        (f"{FILE}?a=b&token={token}",),
        (f"{EDGE}/vod/title/1.m4s;URISigningPackage={token}",),
        (FILE, "--header", f"authorization: Bearer {token}"),
        (FILE, "--header", f"Cookie: a=b; kawa_token={token}"),
        (token, "--path", "/vod/title/1.m4s"),
    ):
        assert verdict(kawa("verify", *arguments, *keys))["ok"], arguments
    assert verdict(kawa("verify", FILE, *keys))["reason"] == "token-missing"
    other = f"{EDGE}/t/{token}/vod/%74itle/../other/1.m4s"
    assert verdict(kawa("verify", other, *keys))["reason"] == "bad-path"


def test_the_clock_can_be_set(kawa: Kawa, files: dict[str, str]) -> None:
    keys = ("--keys", files["kawa"], "--json")
    begins = int(time.time()) + 3600
    token = kawa(
        *("mint", "/vod/title/", "--for", "2h", "--not-before", str(begins), *keys[:2])
    ).stdout.strip()
    ends = json.loads(kawa("inspect", token, "--json").stdout)["claims"]["exp"]

    def reason(now: float | str) -> str:
        row = verdict(kawa("verify", token, "--now", str(now), *keys))
        return str(row.get("reason", "ok"))

    # The edge lets clocks differ by half a minute.
    assert [reason(begins - 31), reason(begins - 30)] == ["token-not-yet-valid", "ok"]
    assert [reason(ends + 29.5), reason(ends + 30)] == ["ok", "token-expired"]
    assert reason(datetime.fromtimestamp(begins, UTC).isoformat()) == "ok"
    assert kawa("verify", token, "--now", "soon", *keys).returncode == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param(("--method", "POST"), "method-not-covered", id="method"),
        pytest.param(("--ip", "198.51.100.1"), "address-not-covered", id="address"),
        pytest.param(("--ip", "::ffff:192.0.2.9"), None, id="mapped address"),
        pytest.param(("--country", "NO"), "place-not-covered", id="country"),
        pytest.param(("--country", "se-ab"), None, id="subdivision"),
        pytest.param(("--header", "x-player: b"), "header-not-covered", id="field"),
        pytest.param(("--header", "x-player: a"), None, id="field in another case"),
    ],
)
def test_a_request_is_held_against_every_rule(
    kawa: Kawa, files: dict[str, str], arguments: tuple[str, ...], reason: str | None
) -> None:
    keys = ("--scheme", "cat", "--keys", files["cat"])
    rules = ("--method", "GET", "--network", "192.0.2.0/24", "--country", "SE")
    claim = ("--claim", 'cath={"X-Player": {"0": "a"}}')
    made = kawa("mint", "/vod/title/", *keys, *rules, *claim)
    assert made.returncode == 0, made.stderr
    given = {"--ip": "192.0.2.7", "--country": "SE", "--header": "X-Player: a"}
    given[arguments[0]] = arguments[1]
    asked = [part for pair in given.items() for part in pair]

    row = verdict(kawa("verify", made.stdout.strip(), "--url", FILE, *asked, *keys, "--json"))

    assert row.get("reason") == reason


def test_every_form_of_grant_is_shown_whole(kawa: Kawa, files: dict[str, str]) -> None:
    token = kawa(
        *("mint", "/vod/a/", "/vod/b/", "--keys", files["kawa"], "--subject", "viewer"),
        *("--session", "s1", "--token-id", "t1", "--max-height", "720", "--max-bitrate", "5000000"),
        *("--language", "en", "--language", "ja", "--streams", "2", "--renew", "10m", "--once"),
        *("--renew-until", "2100-01-01T00:00:00Z"),
    )
    assert token.returncode == 2  # beyond the longest time that an edge accepts
    token = kawa(
        *("mint", "/vod/a/", "/vod/b/", "--keys", files["kawa"], "--subject", "viewer"),
        *("--session", "s1", "--token-id", "t1", "--max-height", "720", "--max-bitrate", "5000000"),
        *("--language", "en", "--language", "ja", "--streams", "2", "--renew", "10m", "--once"),
        *("--session-for", "6h", "--ads", "strip", "--debug", "--json"),
    )
    text = json.loads(token.stdout)["token"]

    grant = verdict(kawa("verify", text, "--keys", files["kawa"], "--json"))["grant"]

    renewal = grant.pop("renewal")
    assert (renewal["carrier"], renewal["seconds"], renewal["late"]) == ("as-it-came", 600, True)
    expires_at, not_before = grant.pop("expires_at"), grant.pop("not_before")
    assert (expires_at - not_before, renewal["until"] - not_before) == (3600, 6 * 3600)
    assert grant == {
        "scheme": "kawa",
        "subject": "viewer",
        "session": "s1",
        "issuer": "kawa",
        "token_id": "t1",
        "key_id": "k1",
        "is_exact": False,
        "path_prefixes": ["/vod/a/", "/vod/b/"],
        "rules": [],
        "max_height": 720,
        "max_bitrate": 5_000_000,
        "languages": ["en", "ja"],
        "stream_limit": 2,
        "once": True,
        "ads": "strip",
        "debug": True,
    }
    people = kawa("verify", text, "--keys", files["kawa"]).stdout
    assert people.startswith("good: kawa\n")
    assert "viewer" in people


CAT = ("mint", "/vod/a/", "--scheme", "cat", "--keys", "CAT")
BAD = [
    pytest.param(("mint",), 2, "which paths", id="mint nothing"),
    pytest.param(("mint", "vod", "--keys", "KAWA"), 2, "paths", id="no prefix"),
    pytest.param(("mint", "/vod/a/", "--country", "sweden", "--keys", "KAWA"), 2, "countries", id="no country"),
    pytest.param(("mint", "/vod/a/", "--scheme", "cat"), 2, "--keys", id="no keys"),
    pytest.param(("mint", "/vod/a/", "--claim", "x=1", "--keys", "KAWA"), 2, "--claim", id="a claim that kawa has not"),
    pytest.param(("mint", "--scheme", "secure-link", "--keys", "NGINX"), 2, "--url", id="no URL"),
    pytest.param((*CAT, "--claim", "catpor=1"), 2, "token-unsupported", id="what would be refused"),
    pytest.param((*CAT, "--set", "audience=x"), 2, "--set", id="no setting"),
    pytest.param((*CAT, "--ads", "strip"), 2, "--ads", id="ads of a scheme that has no such claim"),
    pytest.param(("inspect", "nonsense"), 1, "", id="inspect nothing"),
    pytest.param(("inspect", "https://media.example.com/vod/a"), 1, "no token", id="inspect no link"),
    pytest.param(("inspect", "l.AAAA"), 1, "link", id="inspect no link in a token"),
    pytest.param(("inspect", "x" * 70000), 1, "too long", id="inspect what is too long"),
    pytest.param(("verify", "nonsense", "--keys", "KAWA"), 1, "token-malformed", id="no token"),
    pytest.param(("verify", "a.b.c", "--keys", "KAWA"), 1, "token-malformed", id="no JSON"),
    pytest.param(("verify", "a.b.c", "--keys", "NGINX"), 1, "", id="keys of another scheme"),
    pytest.param(("verify", "a.b.c", "--ip", "1.2.3.4"), 2, "--url", id="half a request"),
    pytest.param(("verify", "a.b.c", "--ip", "1.2.3"), 2, "address", id="no address"),
    pytest.param(("verify", "/a/b", "--header", "nothing"), 2, "--header", id="no field"),
    pytest.param(("verify", "a.b.c", "--set", "x=1"), 2, "--keys", id="settings of no file"),
    pytest.param(("verify", "a.b.c", "--keys", "/no/such"), 2, "", id="no file"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "status", "said"), BAD)
def test_bad_input_ends_with_one_line_and_a_status(
    kawa: Kawa, files: dict[str, str], arguments: tuple[str, ...], status: int, said: str
) -> None:
    names = {"KAWA": files["kawa"], "CAT": files["cat"], "NGINX": files["secure-link"]}
    done = kawa(*(names.get(argument, argument) for argument in arguments))

    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert done.stderr
    assert said in done.stderr


def test_no_secret_and_no_private_key_is_ever_shown(kawa: Kawa, files: dict[str, str]) -> None:
    loose = Path(files["kawa"])
    loose.chmod(0o644)
    refused = kawa("mint", "/vod/a/", "--keys", str(loose))
    assert refused.returncode == 2
    assert "chmod 600" in refused.stderr
    loose.chmod(0o600)
    shown = kawa("mint", "/vod/a/", "--keys", str(loose))
    secret = json.loads(loose.read_bytes())["keys"][0]["d"]
    assert secret not in shown.stdout + shown.stderr + refused.stderr
