"""Common Access Tokens, put into COSE by the cwt library."""

from __future__ import annotations

import re
import secrets
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

import cbor2
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cwt import COSE, COSEKey

from config.launch.tokens.errors import NotMinted
from config.launch.tokens.minting.uri_signing import signing_key
from config.launch.tokens.minting.wanted import Wanted
from config.runtime.jwk import Key
from config.runtime.keys import KeySet
from edge.tokens.cat import names
from edge.tokens.strict import to_base64url

_ALGORITHMS = {"HS256": "HMAC 256/256", "ES256": "ES256", "EdDSA": "EdDSA", "PS256": "PS256"}
# CTA-5007: parts of a URI, and how a part is matched.
_SCHEME, _HOST, _PORT, _PATH, _QUERY = 0, 1, 2, 3, 4
_EXACT, _PREFIX, _REGEX = 0, 1, 4
_NUMBERS = {name: number for number, name in names.CLAIMS.items()}
_TAGS = {4: names.TAG_IPV4, 6: names.TAG_IPV6}


def mint_cat(wanted: Wanted, keys: KeySet) -> str:
    """A token for the paths and all below, or for the one URL, as base64url."""
    wanted.require(
        "cat",
        *("paths", "url", "subject", "issuer", "not_before", "token_id", "methods", "networks"),
        *("countries", "renew", "once", "key_id", "claims"),
    )
    key = signing_key(keys, wanted.key_id, tuple(_ALGORITHMS))
    claims: dict[object, Any] = {names.EXP: wanted.expires_at, names.IAT: wanted.now}
    token_id = wanted.token_id or (secrets.token_hex(8) if wanted.once else None)
    named = {
        names.ISS: wanted.issuer,
        names.SUB: wanted.subject,
        names.NBF: wanted.not_before,
        names.CTI: None if token_id is None else token_id.encode(),
        names.CATU: _parts(wanted),
        names.CATM: list(wanted.methods) or None,
        names.CATNIP: [_network(text) for text in wanted.networks] or None,
        names.CATGEOISO3166: list(wanted.countries) or None,
        names.CATREPLAY: 1 if wanted.once else None,
        names.CATR: None if wanted.renew is None else {0: 0, 1: wanted.renew},
    }
    claims |= {label: value for label, value in named.items() if value is not None}
    claims |= {_label(name): _value(value) for name, value in wanted.claims.items()}
    cose_key = _cose_key(key)
    protected, unprotected = {1: cose_key.alg}, {4: key.key_id.encode()}
    message = COSE.new().encode(
        cbor2.dumps(claims), key=cose_key, protected=protected, unprotected=unprotected
    )
    return to_base64url(cbor2.dumps(cbor2.CBORTag(names.TAG_CWT, cbor2.loads(message))))


def _parts(wanted: Wanted) -> dict[int, Any] | None:
    """catu: exactly the URL, or a path below one of those that are named."""
    if wanted.url is not None and not wanted.paths:
        url = wanted.url if "://" in wanted.url else wanted.public_url + wanted.url
        found = urlsplit(url)
        parts: dict[int, Any] = {
            _SCHEME: {_EXACT: found.scheme},
            _HOST: {_EXACT: found.hostname or ""},
            _PATH: {_EXACT: found.path},
        }
        if found.port is not None:
            parts[_PORT] = {_EXACT: str(found.port)}
        if found.query:
            parts[_QUERY] = {_EXACT: found.query}
        return parts
    match wanted.paths:
        case ():
            return None
        case (path,):
            return {_PATH: {_PREFIX: path}}
    expression = "|".join(re.escape(path) for path in wanted.paths)
    return {_PATH: {_REGEX: [f"^(?:{expression}).*$"]}}


def _network(text: str) -> cbor2.CBORTag:
    """RFC 9164 section 3.1.2: a prefix without the zeros at its end, or one whole address."""
    try:
        network = ip_network(text, strict=False)
    except ValueError as error:
        raise NotMinted(f"{text} is no network") from error
    packed = network.network_address.packed
    if network.prefixlen == network.max_prefixlen:
        return cbor2.CBORTag(_TAGS[network.version], packed)
    return cbor2.CBORTag(_TAGS[network.version], [network.prefixlen, packed.rstrip(b"\0")])


def _label(name: str) -> int | str:
    """A claim by its name or its number; other names are the signer's own."""
    if re.fullmatch(r"-?[0-9]{1,9}", name):
        return int(name)
    return _NUMBERS.get(name, name)


def _value(value: object) -> object:
    """JSON as CBOR: names of members that are numbers become them, as CTA-5007's maps have them."""
    if isinstance(value, dict):
        return {_label(name): _value(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_value(item) for item in value]
    return value


def _cose_key(key: Key) -> Any:
    named: Any = {"alg": _ALGORITHMS[key.algorithm], "kid": key.key_id}
    if isinstance(key.signing, bytes):
        return COSEKey.from_symmetric_key(key.signing, **named)
    private: Any = key.signing
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return COSEKey.from_pem(pem, **named)
