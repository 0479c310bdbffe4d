"""Pictures that say which they are: a number in black and white blocks for programs, and in digits for people.

From the top: three rows of eight blocks (four fixed ones, ad or not, fourteen bits of number, five of check), then
digits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

FPS = 10
WIDTH, HEIGHT = 160, 96
_BLOCKS, _ROWS = 8, 3
BLOCK_WIDTH, BLOCK_HEIGHT = WIDTH // _BLOCKS, 16
_NUMBER_BITS, _CHECK_BITS = 14, 5
_FIXED = "1001"
_BLACK, _GREY, _WHITE = 16, 100, 235
_MIDDLE = (_BLACK + _WHITE) // 2
# Blue-green is content, red is an ad.
_CHROMA = {False: (160, 80), True: (90, 200)}
# The seven strokes of a digit: top, upper left, upper right, middle, lower left, lower right, bottom.
_STROKES = {
    "0": "1110111", "1": "0010010", "2": "1011101", "3": "1011011", "4": "0111010",
    "5": "1101011", "6": "1101111", "7": "1010010", "8": "1111111", "9": "1111011",
}  # fmt: skip
_DIGITS = 4
_DIGIT_WIDTH, _DIGIT_HEIGHT, _STROKE = 24, 36, 5


class Name(NamedTuple):
    """What a picture says it is."""

    ad: bool
    number: int


def draw(name: Name) -> bytes:
    """A frame in planar YUV 4:2:0, limited range."""
    bits = _bits(name)
    luma = bytearray()
    for row in range(_ROWS):
        blocks = bits[row * _BLOCKS : (row + 1) * _BLOCKS]
        line = b"".join(bytes([_WHITE if bit == "1" else _BLACK]) * BLOCK_WIDTH for bit in blocks)
        luma += line * BLOCK_HEIGHT
    luma += _digits(name.number, HEIGHT - _ROWS * BLOCK_HEIGHT)
    quarter = WIDTH * HEIGHT // 4
    blue, red = _CHROMA[name.ad]
    return bytes(luma) + bytes([blue]) * quarter + bytes([red]) * quarter


def read(luma: bytes) -> Name | None:
    """What a picture says, from its brightness; None if it cannot be read."""
    places = [(x, y) for y in range(_ROWS) for x in range(_BLOCKS)]
    return name_of("".join("1" if _is_white(luma, x, y) else "0" for x, y in places))


def name_of(bits: str) -> Name | None:
    """The name in twenty-four blocks, if they are whole."""
    number = int(bits[5 : 5 + _NUMBER_BITS], 2)
    name = Name(bits[4] == "1", number)
    return name if bits == _bits(name) else None


def _bits(name: Name) -> str:
    kind = "1" if name.ad else "0"
    check = (name.number * 2 + name.ad) % 31
    return f"{_FIXED}{kind}{name.number:0{_NUMBER_BITS}b}{check:0{_CHECK_BITS}b}"


def _is_white(luma: bytes, x: int, y: int) -> bool:
    """Whether the middle of a block is; encoders blur its edges."""
    row = y * BLOCK_HEIGHT + BLOCK_HEIGHT // 2
    at = row * WIDTH + x * BLOCK_WIDTH + BLOCK_WIDTH // 2
    return sum(luma[at - 2 : at + 3]) > 5 * _MIDDLE


def _digits(number: int, height: int) -> bytes:
    lines = [bytearray([_GREY]) * WIDTH for _ in range(height)]
    for place, digit in enumerate(f"{number:0{_DIGITS}d}"):
        for left, top, width, tall in _strokes(digit):
            start = 8 + place * (WIDTH - 8) // _DIGITS + left
            for line in lines[6 + top : 6 + top + tall]:
                line[start : start + width] = bytes([_WHITE]) * width
    return b"".join(lines)


def _strokes(digit: str) -> Iterator[tuple[int, int, int, int]]:
    """Left, top, width and height of each stroke."""
    half, right = _DIGIT_HEIGHT // 2, _DIGIT_WIDTH - _STROKE
    middle = half - _STROKE // 2
    boxes = (
        (0, 0, _DIGIT_WIDTH, _STROKE),
        (0, 0, _STROKE, half),
        (right, 0, _STROKE, half),
        (0, middle, _DIGIT_WIDTH, _STROKE),
        (0, half, _STROKE, half),
        (right, half, _STROKE, half),
        (0, _DIGIT_HEIGHT - _STROKE, _DIGIT_WIDTH, _STROKE),
    )
    return (box for box, on in zip(boxes, _STROKES[digit], strict=True) if on == "1")
