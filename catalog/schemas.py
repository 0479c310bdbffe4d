"""Pieces of answers and of input that more than one room uses."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, StringConstraints


class OptimizedImage(BaseModel):
    src: str | None
    preview: str | None
    thumbnail: str | None


class Image(BaseModel):
    src: str | None
    preview: str | None
    thumbnail: str | None
    optimized: OptimizedImage


def image(url: str | None) -> dict[str, Any]:
    """An image in both spellings that apps read; always an object, with nulls when there is none."""
    sizes = {"src": url, "preview": url, "thumbnail": url}
    return {**sizes, "optimized": sizes}


def without_controls(text: str) -> str:
    """Refuse what PostgreSQL cannot store or a log cannot show; line breaks and tabs may stay."""
    for char in text:
        if unicodedata.category(char) in ("Cc", "Cs") and char not in "\n\r\t":
            raise ValueError("has control characters")
    return text


Line = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=512),
    AfterValidator(without_controls),
]
Link = Annotated[Line, StringConstraints(pattern=r"^(https?://|/)[^\s\\]+$")]
LongText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=20_000),
    AfterValidator(without_controls),
]
