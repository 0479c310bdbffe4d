"""Cyrillic in Latin letters, for aliases."""

from __future__ import annotations

import unicodedata

_LETTERS = str.maketrans(
    {
        "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "yo", "ж": "zh",
        "з": "z", "и": "i", "й": "y", "к": "k", "л": "l", "м": "m", "н": "n", "о": "o",
        "п": "p", "р": "r", "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh", "ц": "ts",
        "ч": "ch", "ш": "sh", "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu",
        "я": "ya", "і": "i", "ї": "yi", "є": "ye", "ґ": "g", "ў": "u", "’": "", "'": "", "ʼ": "",
    }
)  # fmt: skip


def latin(text: str) -> str:
    """Lower-case text with Cyrillic spelled in Latin letters and accents dropped; other scripts stay."""
    spelled = unicodedata.normalize("NFC", text).casefold().translate(_LETTERS)
    plain = unicodedata.normalize("NFKD", spelled)
    return "".join(char for char in plain if not unicodedata.combining(char))
