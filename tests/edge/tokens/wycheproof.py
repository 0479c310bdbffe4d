"""Project Wycheproof's vectors (Apache-2.0), asked of the code that verifies viewers' tokens."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from config.runtime.jwk import Key, NotUnderstood, read_key
from config.runtime.keys import BadKeys, KeySet
from edge.errors import NotAllowed, TokenBadClaims
from edge.tokens.kawa import KawaTokens
from edge.tokens.strict import to_base64url
from edge.tokens.uri_signing.jws import Header, Signed, read_signed, verify_signature
from edge.tokens.verifier import FixedKeys
from tests.lacking import lacking

FOLDER = Path(__file__).parents[3].parent / "shared" / "vectors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One case of a set, and what was made of it."""

    tc_id: int
    comment: str
    is_valid: bool  # as the set has it
    what: str  # the token or message with its key: equal for cases that nothing can tell apart
    reason: str  # code of the refusal; 'ok': accepted


def jws(by: str) -> list[Case]:
    """The 401 cases of JSON Web Signature, ``by`` URI signing's reader or Kawa's own."""
    return [_jws(case, group, by) for group, case in _cases("json_web_signature")]


def jwk(by: str) -> list[Case]:
    """The 26 cases of JSON Web Keys."""
    return [_jws(case, group, by) for group, case in _cases("json_web_key")]


def ed25519() -> list[Case]:
    """The 151 cases of Ed25519."""
    return [
        _message(case, {**group["publicKeyJwk"], "kid": "w", "alg": "EdDSA"}, signature=case["sig"])
        for group, case in _cases("ed25519")
    ]


def hmac_sha256() -> list[Case]:
    """The 174 cases of HMAC-SHA-256."""
    return [
        _message(
            case,
            {
                "kty": "oct",
                "kid": "w",
                "alg": "HS256",
                "k": to_base64url(bytes.fromhex(case["key"])),
            },
            signature=case["tag"],
        )
        for _, case in _cases("hmac_sha256")
    ]


def _cases(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    path = FOLDER / f"wycheproof-{name}_test.json"
    if not path.exists():
        lacking(f"the vectors of Wycheproof are not at {path}: put them beside the project")
    for group in json.loads(path.read_text())["testGroups"]:
        for case in group["tests"]:
            yield group, case


def _jws(case: dict[str, Any], group: dict[str, Any], by: str) -> Case:
    given = group.get("public") or group["private"]
    found = Case(
        tc_id=case["tcId"],
        comment=case["comment"],
        is_valid=case["result"] == "valid",
        what=json.dumps([case["jws"], given], sort_keys=True),
        reason="ok",
    )
    try:
        keys = KeySet.of(given if "keys" in given else {"keys": [given]}, source="Wycheproof")
        _VERIFY[by](case["jws"], keys)
    except BadKeys as error:
        # KeySet.of wraps it with its source.
        unknown = "alg and kty are not one of" in str(error)
        return replace(found, reason="key-not-understood" if unknown else "bad-key")
    except NotAllowed as error:
        return replace(found, reason=error.code)
    return found


def _by_uri_signing(text: str, keys: KeySet) -> None:
    signed = read_signed(text)
    key = keys.to_verify(signed.header.key_id)
    verify_signature(signed, [] if key is None else [key])


def _by_kawa(text: str, keys: KeySet) -> None:
    # Whether it is signed is all that these cases are about: what is signed in them is no playback token.
    with contextlib.suppress(TokenBadClaims):
        KawaTokens(FixedKeys(keys)).verify(text, now=0)


_VERIFY: dict[str, Callable[[str, KeySet], None]] = {
    "uri-signing": _by_uri_signing,
    "kawa": _by_kawa,
}


def _message(case: dict[str, Any], given: dict[str, Any], *, signature: str) -> Case:
    """A signature over any bytes: the one step of verification that is not about a token's form."""
    found = Case(
        tc_id=case["tcId"],
        comment=case["comment"],
        is_valid=case["result"] == "valid",
        what=json.dumps([case["msg"], given, signature], sort_keys=True),
        reason="ok",
    )
    try:
        key: Key = read_key(given)
        signed = Signed(
            header=Header(key.algorithm, key.key_id),
            payload=b"",
            covered=bytes.fromhex(case["msg"]),
            signature=bytes.fromhex(signature),
        )
        verify_signature(signed, [key])
    except NotUnderstood:
        return replace(found, reason="key-not-understood")
    except BadKeys:
        return replace(found, reason="bad-key")
    except NotAllowed as error:
        return replace(found, reason=error.code)
    return found


# Valid cases that are refused, each class with its reason.
_UNKNOWN_ALGORITHM = "RS384, RS512, PS384, PS512 and ES512 are not used here: no key is for them"
_EMPTY = "an empty payload is no token: what has the form of a JWT says something"
_CHARACTERS = (
    "'?' in header or payload is no base64url (RFC 7515 section 2), which the set lets pass"
)
_KEY_ID = (
    "keys with an '@' in their kid: a kid is a plain name here, and stands in metrics and logs"
)
_OWN_ALGORITHMS = (
    "Kawa's own tokens are signed with EdDSA, ES256 or HS256, whatever else a key could do"
)
_SHORT_KEY = "HS256 needs 256 bits (RFC 7518 section 3.2)"
_SHORT_TAG = "a tag of half the length: HS256 has all of it (RFC 7518 section 3.2)"

_STRICTER_JWS = {
    **dict.fromkeys([*range(264, 272), *range(320, 324), *range(325, 329)], _UNKNOWN_ALGORITHM),
    **dict.fromkeys([259, 272], _EMPTY),
    **dict.fromkeys([372, 373], _CHARACTERS),
    **dict.fromkeys([345, 346, 347, 349, 350, 351], _KEY_ID),
}
_STRICTER_JWK = dict.fromkeys([14, 15], "HS384 and HS512 are not used here: no key is for them")
STRICTER: dict[str, dict[int, str]] = {
    "jws uri-signing": _STRICTER_JWS,
    "jws kawa": _STRICTER_JWS
    | dict.fromkeys([33, *range(260, 264), *range(273, 276), 287, 288], _OWN_ALGORITHMS),
    "jwk uri-signing": _STRICTER_JWK,
    "jwk kawa": _STRICTER_JWK | {5: _OWN_ALGORITHMS},
    "ed25519": {},
    "hmac_sha256": dict.fromkeys(range(163, 169), _SHORT_KEY)
    | dict.fromkeys([*range(82, 109), *range(172, 175)], _SHORT_TAG),
}
# Key sets that the best practice of the set refuses and the RFCs do not: both are about an operator's own files.
_BOTH_KINDS = "private and public keys in one file, as in RFC 9246 Appendix A; published sets must not have both"
LOOSER: dict[str, dict[int, str]] = {
    "jwk uri-signing": {
        1: _BOTH_KINDS,
        7: "an RSA key of a generator with a flaw (ROCA): who makes keys answers for them",
    },
    "jwk kawa": {1: _BOTH_KINDS},
}
SETS: dict[str, Callable[[], list[Case]]] = {
    "jws uri-signing": lambda: jws("uri-signing"),
    "jws kawa": lambda: jws("kawa"),
    "jwk uri-signing": lambda: jwk("uri-signing"),
    "jwk kawa": lambda: jwk("kawa"),
    "ed25519": ed25519,
    "hmac_sha256": hmac_sha256,
}


def accepted_though_invalid(cases: list[Case]) -> list[Case]:
    """Invalid cases that were taken, but for those that are byte for byte a valid one under the same key."""
    valid = {case.what for case in cases if case.is_valid}
    return [
        case
        for case in cases
        if not case.is_valid and case.reason == "ok" and case.what not in valid
    ]
