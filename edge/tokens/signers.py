"""Everyone whose tokens this edge accepts, and who of them has signed a token."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from config.contracts.grants import Grant
from config.contracts.tokens import MAX_TOKEN_CHARS
from edge.errors import NotAllowed, TokenBadSignature, TokenMalformed, TokenUnknownKey
from edge.tokens.admitted import Admitted
from edge.tokens.cat.answers import Answer
from edge.tokens.cat.verifier import CommonAccessTokens
from edge.tokens.keys.source import KeySource
from edge.tokens.links.verifier import Found, LinkVerifier
from edge.tokens.rules import Within
from edge.tokens.verifier import Verifier

# Refusals of what nobody whom we know has signed: not worth a second look.
_NOBODYS = (TokenMalformed, TokenBadSignature, TokenUnknownKey)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """One of them, and the origins that its tokens may open: none named, every one."""

    verifier: Verifier
    origins: tuple[str, ...] = ()
    source: KeySource | None = None  # None: its keys stand in the settings

    def verify(self, token: str, now: float) -> Grant:
        """The grant of its token, for its origins alone."""
        grant = self.verifier.verify(token, now=now)
        if not self.origins:
            return grant
        within = tuple(f"/{origin}/" for origin in self.origins)
        if grant.path_prefixes == ("/",):
            return replace(grant, path_prefixes=within)
        return replace(grant, rules=(*grant.rules, Within(within)))


class Signers:
    """Verifies a token by whoever it could be from."""

    def __init__(self, signers: Mapping[str, Signer], admitted: Admitted) -> None:
        self._signers = signers
        verifiers = [signer.verifier for signer in signers.values()]
        self.links = [verifier for verifier in verifiers if isinstance(verifier, LinkVerifier)]
        self.admitted = admitted

    def verify(self, text: str, now: float) -> Grant:
        """The grant of a token whose signature and claims hold, or a ``NotAllowed``."""
        token, admitted = self._read(text)
        refusal: NotAllowed = TokenMalformed()
        for signer in self._of(token):
            try:
                grant = signer.verify(token, now)
            except NotAllowed as error:
                refusal = error
            else:
                return replace(grant, once=False) if admitted else grant
        raise refusal

    def renewed(self, text: str, now: float) -> str:
        """The token that follows a verified one, admitted if that was."""
        token, admitted = self._read(text)
        refusal: NotAllowed = TokenMalformed()
        for signer in self._of(token):
            try:
                signer.verify(token, now)
                following = signer.verifier.renewed(token, now=now)
            except NotAllowed as error:
                refusal = error
            else:
                return self.admitted.marked(following) if admitted else following
        raise refusal

    def link_of(
        self,
        path: str,
        query: str,
        cookies: Mapping[str, str],
        *,
        address: IPv4Address | IPv6Address | None,
        user_agent: str,
    ) -> Found | None:
        """The signed link that a request is, and what of it is not the signature's."""
        for verifier in self.links:
            found = verifier.found(path, query, cookies, address=address, user_agent=user_agent)
            if found is not None:
                return found
        return None

    def answer(
        self, text: str, refusal: NotAllowed, *, now: float, claim: int | None
    ) -> Answer | None:
        """What a good token that does not allow this request wants sent in place of the refusal."""
        if isinstance(refusal, _NOBODYS):
            return None
        try:
            token, _ = self._read(text)
        except NotAllowed:
            return None
        for signer in self._of(token):
            if isinstance(signer.verifier, CommonAccessTokens):
                return signer.verifier.answer(token, refusal, now=now, claim=claim)
        return None

    async def wanted(self, key_id: str) -> bool:
        """Whether a key that was not known is known now; waits for two seconds at most, and asks rarely."""
        sources = [signer.source for signer in self._signers.values() if signer.source is not None]
        return any(await asyncio.gather(*(source.wanted(key_id) for source in sources)))

    def _read(self, text: str) -> tuple[str, bool]:
        if len(text) > MAX_TOKEN_CHARS or not text.isascii():
            raise TokenMalformed
        return self.admitted.read(text)

    def _of(self, token: str) -> Iterator[Signer]:
        """One after the other: whose token it is, nobody else need look at."""
        return (signer for signer in self._signers.values() if signer.verifier.may_be(token))
