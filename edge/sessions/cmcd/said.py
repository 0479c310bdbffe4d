"""What players said and nobody has read yet: a few texts of each session, those that tell of trouble first.

Then those that came first, which show what was left after a wait; a player may ask for all that it missed at once.
"""

from __future__ import annotations

MOST_SAID = 6
MOST_FIRST = 4  # of them came one right after the other
# Whose turn it is to go: among the first four there is one about the picture and one about the sound.
_GOING = (4, 5, 3, 2, 1, 0)


def tells(text: str) -> bool:
    """Whether the text, percent-encoded or not, may tell of a stall, a start or a fault, which the next one does not.

    Others may hold these letters, too: they are only kept a little longer.
    """
    return (
        "bs" in text
        or "msd" in text
        or ("sta" in text and ("sta%3Dr" in text or "sta=r" in text))
        or ("ec" in text and ("ec%3D" in text or "ec=" in text))
    )


def kept_with(texts: list[str], text: str) -> int:
    """Put ``text`` to the others, in the place of one that tells least if they are many; how many had to go."""
    if len(texts) < MOST_SAID:
        texts.append(text)
        return 0
    place = next((n for n in _GOING if not tells(texts[n])), MOST_FIRST)
    del texts[place]
    texts.append(text)
    return 1
