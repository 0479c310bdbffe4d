"""What a token says, without checking that it may say so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import cbor2

from config.launch.tokens.errors import NotAToken
from config.launch.tokens.forms import Form, cwt_item, form_of, json_part
from edge.errors import NotAllowed
from edge.tokens.cat import names
from edge.tokens.cat.cbor import MAP_TAG
from edge.tokens.links.values import Parameters
from edge.tokens.strict import base64url as strict_base64url
from edge.tokens.strict import json_object

_TIMES = frozenset({"iat", "nbf", "exp", "until", "Expires", "expires", "E", "st", "AWS:EpochTime"})
_PARAMETERS = {
    names.PARAMETER_ALG: "alg",
    names.PARAMETER_CRIT: "crit",
    names.PARAMETER_KID: "kid",
}
_ALGORITHMS = {4: "HS256/64", 5: "HS256", -7: "ES256", -8: "EdDSA", -37: "PS256", -257: "RS256"}
_MAX_DEPTH = 32


def inspect(text: str) -> dict[str, Any]:
    """Scheme, header, claims and times of a token or of a URL that carries one, or ``NotAToken``."""
    form = form_of(text)
    match form.kind:
        case "jws":
            header, claims = _jws(form)
        case "jwe":
            header, claims = json_part(form.text.partition(".")[0]), {}
        case "cwt":
            header, claims = _cwt(form)
        case _:
            header, claims = {}, _link(form)
    shown = {
        "form": form.kind,
        "scheme": form.scheme or None,
        "header": header,
        "claims": claims,
        "times": dict(_times(claims)),
    }
    return shown | ({"admitted": True} if form.admitted else {})


def as_text(shown: Mapping[str, Any]) -> str:
    """The same for people."""
    lines = [f"form    {shown['form']}", f"scheme  {shown['scheme'] or 'not known'}"]
    for part in ("header", "claims", "times"):
        if shown[part]:
            lines.append(part)
            lines += [
                f"  {name}: {value if isinstance(value, str) else json.dumps(value)}"
                for name, value in shown[part].items()
            ]
    if "admitted" in shown:
        lines.append("an edge has admitted it: it goes on with the session that it opened")
    return "\n".join(lines)


def _jws(form: Form) -> tuple[dict[str, Any], dict[str, Any]]:
    parts = form.text.split(".")
    header = json_part(parts[0]) if len(parts) == 3 else {}
    return header, json_part(parts[-2])


def _cwt(form: Form) -> tuple[dict[str, Any], dict[str, Any]]:
    item, tags = cwt_item(form.text), []
    while isinstance(item, cbor2.CBORTag):
        tags.append(item.tag)
        item = item.value
    if not isinstance(item, list | tuple) or len(item) != 4:
        raise NotAToken("this is CBOR, and no COSE message with one signature")
    protected, unprotected, payload, _ = item
    header = _loaded(protected) if isinstance(protected, bytes) else {}
    both = {**_named(unprotected, _PARAMETERS), **_named(header, _PARAMETERS)}
    if "alg" in both:
        both["alg"] = _ALGORITHMS.get(both["alg"], both["alg"])
    return {"tags": tags, **both}, _named(_loaded(payload), names.CLAIMS)


def _loaded(data: object) -> object:
    if not isinstance(data, bytes):
        raise NotAToken("this is a COSE message whose parts are no byte strings")
    if not data:
        return {}
    try:
        return cbor2.loads(data)
    except (cbor2.CBORError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise NotAToken(f"a part of it is not CBOR: {error}") from error


def _named(value: object, by_label: Mapping[int, str]) -> dict[str, Any]:
    if isinstance(value, cbor2.CBORTag) and value.tag == MAP_TAG:
        value = value.value
    if not isinstance(value, Mapping):
        raise NotAToken("a part of it is no CBOR map")
    return {
        by_label.get(label, str(label)) if isinstance(label, int) else str(label): _json(item, 0)
        for label, item in value.items()
    }


def _json(value: object, depth: int) -> Any:
    """CBOR as JSON says it: byte strings as text where they are text, else in hexadecimal."""
    if depth > _MAX_DEPTH:
        return "…"
    match value:
        case bool() | int() | float() | str() | None:
            return value
        case bytes():
            text = value.decode("ascii", "replace")
            return text if text.isprintable() and "\ufffd" not in text else f"h'{value.hex()}'"
        case Mapping():
            return {str(key): _json(item, depth + 1) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_json(item, depth + 1) for item in value]
        case cbor2.CBORTag():
            return {f"tag {value.tag}": _json(value.value, depth + 1)}
    return str(value)


def _link(form: Form) -> dict[str, Any]:
    says: dict[str, Any] = dict(form.says)
    if "token" in says:
        separator = "~" if form.scheme == "akamai" else "&"
        items = Parameters.read(says.pop("token"), separator=separator).items
        says |= {name: item.partition("=")[2] for name, item in items}
    if form.scheme == "cloudfront" and "Policy" in says:
        text = says["Policy"].translate(str.maketrans("-_~", "+=/")).rstrip("=")
        text = text.translate(str.maketrans("+/", "-_"))
        try:
            says["Policy"] = json_object(strict_base64url(text))
        except NotAllowed as error:
            raise NotAToken("its Policy is not JSON in base64") from error
    return says


def _times(claims: object, within: str = "") -> list[tuple[str, str]]:
    """Whatever is a time in it, as ISO 8601 says it."""
    found: list[tuple[str, str]] = []
    if isinstance(claims, Mapping):
        for name, value in claims.items():
            where = f"{within}{name}"
            number = int(value) if isinstance(value, str) and value.isdecimal() else value
            if name in _TIMES and type(number) in (int, float) and 0 <= number < 2**37:
                found.append((where, _iso(number)))
            found += _times(value, f"{where}.")
    elif isinstance(claims, list):
        for item in claims:
            found += _times(item, within)
    return found


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
