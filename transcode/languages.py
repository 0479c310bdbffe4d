"""Language tags of sources (ISO 639-2) as HLS and DASH want them (BCP 47), with a name for menus."""

from __future__ import annotations

import re

UNKNOWN = "und"

# ISO 639-2 (both forms where there are two) to the shorter tag that BCP 47 section 2.2.1 asks for.
_SHORT = {
    "ara": "ar", "bul": "bg", "cat": "ca", "ces": "cs", "cze": "cs", "chi": "zh", "zho": "zh",
    "dan": "da", "deu": "de", "ger": "de", "dut": "nl", "nld": "nl", "ell": "el", "gre": "el",
    "eng": "en", "est": "et", "fin": "fi", "fra": "fr", "fre": "fr", "heb": "he", "hin": "hi",
    "hrv": "hr", "hun": "hu", "ind": "id", "ita": "it", "jpn": "ja", "kaz": "kk", "kor": "ko",
    "lav": "lv", "lit": "lt", "may": "ms", "msa": "ms", "nob": "nb", "nor": "no", "per": "fa",
    "fas": "fa", "pol": "pl", "por": "pt", "ron": "ro", "rum": "ro", "rus": "ru", "slk": "sk",
    "slo": "sk", "slv": "sl", "spa": "es", "srp": "sr", "swe": "sv", "tam": "ta", "tha": "th",
    "tur": "tr", "ukr": "uk", "vie": "vi",
}  # fmt: skip

_NAMES = {
    "ar": "العربية", "bg": "Български", "cs": "Čeština", "da": "Dansk", "de": "Deutsch",
    "el": "Ελληνικά", "en": "English", "es": "Español", "fi": "Suomi", "fr": "Français",
    "he": "עברית", "hi": "हिन्दी", "hu": "Magyar", "id": "Bahasa Indonesia", "it": "Italiano",
    "ja": "日本語", "kk": "Қазақша", "ko": "한국어", "nl": "Nederlands", "no": "Norsk",
    "pl": "Polski", "pt": "Português", "ro": "Română", "ru": "Русский", "sv": "Svenska",
    "th": "ไทย", "tr": "Türkçe", "uk": "Українська", "vi": "Tiếng Việt", "zh": "中文",
}  # fmt: skip

# RFC 5646 section 2.1, the parts that media files use: language, script, region.
_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|[0-9]{3}))?\Z")


def language_tag(text: str | None) -> str:
    """The BCP 47 tag for what a source says, or ``und``."""
    tag = (text or "").strip().replace("_", "-")
    if not _TAG.match(tag):
        return UNKNOWN
    language, dash, rest = tag.partition("-")
    return _SHORT.get(language.lower(), language.lower()) + dash + rest


def display_name(tag: str) -> str:
    """The language's own name, or the tag itself."""
    if tag == UNKNOWN:
        return "Audio"
    return _NAMES.get(tag.partition("-")[0], tag)
