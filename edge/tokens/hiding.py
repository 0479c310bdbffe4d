"""Has logs hide what the settings call a token or a signature, besides the names that every program hides."""

from __future__ import annotations

from config.runtime.logging import also_hide
from config.settings.load import Settings
from config.settings.schemes.links import AccessControl, Akamai, SecureLink, UrlSig

_MD5 = "[0-9A-Fa-f]{32}"


def hide_tokens_of(settings: Settings) -> None:
    """In this process, from now on."""
    names: set[str] = set()
    segments: set[str] = set()
    for scheme in settings.tokens.signers.values():
        match scheme:
            case AccessControl(cookie=cookie, parameter=parameter):
                names |= {cookie, parameter or cookie}
            case Akamai(names=known):
                names |= {*known}
            case SecureLink(form="path"):
                segments.add(_MD5)
            case SecureLink(hash_parameter=parameter):
                names.add(parameter)
            case UrlSig(sig_anchor=anchor) if anchor:
                names.add(anchor)
    also_hide(names=sorted(names), segments=sorted(segments))
