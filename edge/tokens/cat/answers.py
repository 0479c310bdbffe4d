"""catif: what a viewer is sent, instead of the plain refusal, when a claim of the token fails."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edge.errors import (
    AddressNotCovered,
    HeaderNotCovered,
    MethodNotCovered,
    PathNotCovered,
    PlaceNotCovered,
    ProtocolNotCovered,
    TokenBadClaims,
    TokenExpired,
    TokenNotYetValid,
    TokenUsed,
)
from edge.tokens.cat.names import (
    CATALPN,
    CATGEOCOORD,
    CATGEOISO3166,
    CATH,
    CATM,
    CATNIP,
    CATREPLAY,
    CATU,
    CLAIMS,
    EXP,
    GEOHASH,
    IAT,
    NBF,
    OWN_FIELDS,
)

# Which claims can have failed, by the code of the refusal.
FAILED = {
    TokenExpired.code: (EXP,),
    TokenNotYetValid.code: (NBF,),
    TokenUsed.code: (CATREPLAY,),
    PathNotCovered.code: (CATU,),
    MethodNotCovered.code: (CATM,),
    AddressNotCovered.code: (CATNIP,),
    PlaceNotCovered.code: (CATGEOISO3166, CATGEOCOORD, GEOHASH),
    HeaderNotCovered.code: (CATH,),
    ProtocolNotCovered.code: (CATALPN,),
}
_NUMBERS = {name: number for number, name in CLAIMS.items()}
_MAX_ENTRIES = 32
_MAX_FIELDS = 16
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}\Z")
_VALUE = re.compile(r"[!-~](?:[ -~]{0,2046}[!-~])?\Z")

Minted = Callable[[Mapping[object, object], str], str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is sent instead of the edge's own refusal."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A field's text, and the claims of a token that is to stand behind it."""

    text: str
    claims: Mapping[object, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Instruction:
    status: int
    fields: tuple[tuple[str, _Part], ...]
    key_id: str  # of the key that signs the token inside; empty: none is named


@dataclass(frozen=True, slots=True)
class Answers:
    """Instructions by the claim that they are for."""

    by_claim: Mapping[int, _Instruction]

    @classmethod
    def of(cls, value: object) -> Answers:
        """Read the claim, or raise ``TokenBadClaims``."""
        if type(value) is not dict or len(value) > _MAX_ENTRIES:
            raise TokenBadClaims("The token's catif is not a map of few entries.")
        found: dict[int, _Instruction] = {}
        for labels, instruction in value.items():
            read = _instruction(instruction)
            for label in labels if type(labels) is tuple else (labels,):
                number = _NUMBERS.get(label) if type(label) is str else label
                if type(number) is int:
                    found.setdefault(number, read)
        return cls(found)

    def to(self, code: str, *, mint: Minted, claim: int | None = None) -> Answer | None:
        """What to send for a refusal with this code; ``None``: nothing is said, or the edge cannot make it."""
        claims = FAILED.get(code, ()) if claim is None else (claim,)
        for number in claims:
            if number in self.by_claim:
                return _made(self.by_claim[number], mint)
        return None


def filled(
    wanted: Mapping[object, object], own: Mapping[object, object], *, now: int
) -> dict[object, object] | None:
    """Claims of a token in an answer: what is null is now, or as in the refused one; ``None`` if that does not say."""
    result: dict[object, object] = {}
    for name, value in wanted.items():
        # One implementation writes numbers of claims as texts.
        label = int(name) if type(name) is str and re.fullmatch(r"[0-9]{1,5}", name) else name
        if value is None:
            value = now if label == IAT else own.get(label)
        if value is None or label in result:
            return None
        result[label] = value
    return result


def _made(instruction: _Instruction, mint: Minted) -> Answer | None:
    headers: list[tuple[str, str]] = []
    for name, part in instruction.fields:
        text = part.text
        if part.claims is not None:
            token = mint(part.claims, instruction.key_id)
            if token is None:
                return None
            text += token
        headers.append((name, text))
    return Answer(status=instruction.status, headers=tuple(headers))


def _instruction(value: object) -> _Instruction:
    if type(value) is not tuple or not 1 <= len(value) <= 3:
        raise TokenBadClaims("The token's catif has an instruction that is none.")
    status, fields, key_id = (*value, None, None)[:3]
    if type(status) is not int or not 300 <= status <= 499:
        raise TokenBadClaims("The token's catif has a status that refuses nothing.")
    if type(fields) is not dict and fields is not None:
        raise TokenBadClaims("The token's catif has header fields that are none.")
    if type(key_id) is bytes:
        key_id = key_id.decode("ascii", "replace")
    if key_id is not None and type(key_id) is not str:
        raise TokenBadClaims("The token's catif names a key in no way that is known.")
    read = [_field(name, text) for name, text in (fields or {}).items()]
    if len(read) > _MAX_FIELDS:
        raise TokenBadClaims("The token's catif has too many header fields.")
    return _Instruction(status=status, fields=tuple(read), key_id=key_id or "")


def _field(name: object, value: object) -> tuple[str, _Part]:
    if type(name) is not str or not _NAME.match(name) or name.lower() in OWN_FIELDS:
        raise TokenBadClaims("The token's catif has a header field that it must not set.")
    text, claims = value, None
    if type(value) is tuple and len(value) == 2:
        text, claims = value
    if type(text) is not str or not _VALUE.match(text):
        raise TokenBadClaims("The token's catif has a header field that cannot be sent.")
    if claims is not None and type(claims) is not dict:
        raise TokenBadClaims("The token's catif has claims that are none.")
    return name, _Part(text=text, claims=claims)
