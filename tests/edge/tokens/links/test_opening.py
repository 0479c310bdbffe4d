"""Settings that cannot work are refused at the start, with one sentence that shows no secret."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from config.runtime.processes import WrongUse
from config.settings.schemes.links import CloudFront
from config.settings.tokens import TokenSettings
from edge.tokens.links.cloudfront import open_cloudfront
from tests.edge.tokens.links import signing
from tests.edge.tokens.links.asking import NOW, PUBLIC_URL, is_served
from tests.edge.tokens.links.opened import (
    AKAMAI_KEY,
    HOUR,
    access_control,
    akamai,
    secure_link,
    url_sig,
)

# As they stand in the README.
SETTINGS = """
[tokens.signers.portal]
scheme = "secure-link"
expression = "$secure_link_expires$uri$remote_addr $secret"
secrets_file = "secrets/portal.keys"
origins = ["vod"]
reach = "folder"

[tokens.signers.old-cdn]
scheme = "url-sig"
keys_file = "/etc/trafficserver/url_sig.config"
sig_anchor = "urlsig"

[tokens.signers.members]
scheme = "access-control"
keys = { key1 = "PEIFtmunx9" }

[tokens.signers.aws]
scheme = "cloudfront"
public_keys = { K2JCJMDEHXQW5F = "keys/cloudfront.pem" }
hashes = ["sha256"]

[tokens.signers.amd]
scheme = "akamai"
secrets_file = "secrets/amd.keys"
names = ["hdnts", "hdntl"]
"""


def test_the_examples_of_the_readme_are_settings() -> None:
    read = TokenSettings.model_validate(tomllib.loads(SETTINGS)["tokens"])
    assert [signer.scheme for signer in read.signers.values()] == [
        "secure-link",
        "url-sig",
        "access-control",
        "cloudfront",
        "akamai",
    ]


EXPRESSIONS = [
    pytest.param("$uri $secret", "secure_link_expires", id="the end is not signed"),
    pytest.param("$secure_link_expires $secret", "\\$uri", id="the path is not signed"),
    pytest.param("$secure_link_expires$uri secret", "\\$secret", id="no secret"),
    pytest.param("$secure_link_expires$uri$secret$request_uri", "request_uri", id="unknown variable"),
    pytest.param("$secure_link_expires$uri$secret$", "'\\$'", id="a '$' without a name"),
    pytest.param("$secure_link_expires${uri$secret", "'\\$'", id="a brace that does not end"),
    pytest.param("$secure_link_expires$uri$secret$arg_md5", "hash", id="the hash of itself"),
    pytest.param("$secure_link_expires$uri$http_user_agent$secret", "viewers", id="path beside user agent"),
    pytest.param("$secure_link_expires $secret $arg_x$uri", "viewers", id="parameter beside path"),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "message"), EXPRESSIONS)
def test_an_expression_that_would_not_protect_is_refused(expression: str, message: str) -> None:
    with pytest.raises(WrongUse, match=message):
        secure_link(expression=expression)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"expires_parameter": "", "expression": "$uri$secret"}, id="no end and no lifetime"),
        pytest.param({"lifetime": HOUR}, id="a lifetime beside an end"),
        pytest.param({"form": "path", "lifetime": HOUR}, id="a path without its origins"),
        pytest.param({"form": "path", "origins": ("vod",)}, id="a path without a lifetime"),
        pytest.param({"secrets": ()}, id="no secret"),
        pytest.param({"secrets_file": Path("x")}, id="secrets and a file"),
        pytest.param({"expires_parameter": "", "lifetime": HOUR}, id="an end that is not there"),
        pytest.param({"expires_parameter": "md5"}, id="hash and end in one parameter"),
    ],
)  # fmt: skip
def test_settings_of_secure_link_that_contradict_each_other(settings: dict[str, Any]) -> None:
    with pytest.raises(WrongUse, match="nginx"):
        secure_link(**settings)


def test_settings_of_the_others_that_cannot_work() -> None:
    with pytest.raises(WrongUse, match="key0 to key15"):
        url_sig(keys={"key16": "hush"})
    with pytest.raises(WrongUse, match="its other options are settings"):
        url_sig(keys={"key1": "hush", "ignore_expiry": "true"})
    with pytest.raises(WrongUse, match="exactly one"):
        access_control(keys={})
    with pytest.raises(WrongUse, match="hexadecimal") as caught:
        akamai(secrets=("hush",))
    assert "hush" not in str(caught.value)


def test_secrets_may_stand_in_files_of_the_schemes_own_form(tmp_path: Path) -> None:
    file = tmp_path / "url_sig.config"
    file.write_text("# of our portal\nkey3 = hush\nkey4=new\nerror_url = 403\n")
    file.chmod(0o600)
    link = signing.url_sig("/vod/a.ts", f"E={int(NOW) + 60}&A=1&K=3&P=1")
    assert is_served(url_sig(keys={}, keys_file=file), link)

    keys = tmp_path / "akamai.keys"
    keys.write_text(f"00ff\n{AKAMAI_KEY}\n")
    keys.chmod(0o600)
    token = signing.akamai(f"exp={int(NOW) + 60}~acl=/*", key=AKAMAI_KEY)
    assert is_served(akamai(secrets=(), secrets_file=keys), f"/vod/a.ts?hdnts={token}")


@pytest.mark.parametrize("text", ["", "key3", "key3 =", "= x", "key3 = a\nkey3 = b", "\xff"])
def test_a_file_that_holds_something_else_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "keys"
    file.write_bytes(text.encode("latin-1"))
    file.chmod(0o600)
    with pytest.raises(WrongUse, match="keys"):
        url_sig(keys={}, keys_file=file)


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("key3 = hush\n")
    file.chmod(0o644)
    with pytest.raises(WrongUse, match="0644") as caught:
        url_sig(keys={}, keys_file=file)
    assert "hush" not in str(caught.value)


def test_cloudfronts_public_keys_are_rsa_or_p256(tmp_path: Path) -> None:
    keys: dict[str, tuple[PublicKeyTypes, bool]] = {
        "rsa": (rsa.generate_private_key(65537, 2048).public_key(), True),
        "p256": (ec.generate_private_key(ec.SECP256R1()).public_key(), True),
        "short": (rsa.generate_private_key(65537, 1024).public_key(), False),  # noqa: S505
        "p384": (ec.generate_private_key(ec.SECP384R1()).public_key(), False),
        "ed25519": (ed25519.Ed25519PrivateKey.generate().public_key(), False),
    }
    for name, (key, accepted) in keys.items():
        file = tmp_path / f"{name}.pem"
        file.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        assert opens(file) is accepted
    (tmp_path / "none.pem").write_text("-----BEGIN PUBLIC KEY-----\nxx\n-----END PUBLIC KEY-----\n")
    assert not opens(tmp_path / "none.pem")
    assert not opens(tmp_path / "not-there.pem")


def opens(file: Path) -> bool:
    settings = CloudFront(scheme="cloudfront", public_keys={"K1": file})
    try:
        open_cloudfront("aws", settings, keys=None, public_url=PUBLIC_URL, leeway_seconds=0)
    except WrongUse:
        return False
    return True
