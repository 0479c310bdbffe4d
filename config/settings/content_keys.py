"""Settings of the keys that an origin's content is encrypted with."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr, StringConstraints

from config.settings.shared import Section

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){32,64}\Z")


def _is_secret(value: SecretStr) -> SecretStr:
    if not _HEX.match(value.get_secret_value()):
        raise ValueError("a master secret is 32 to 64 bytes in hexadecimal digits")
    return value


MasterId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,15}$")]
MasterSecret = Annotated[SecretStr, AfterValidator(_is_secret)]


class DerivedKeys(Section):
    """Keys made from a master secret, title and key id; nothing is stored."""

    kind: Literal["derived"] = Field(description="derived: made from a master secret.")
    masters: dict[MasterId, MasterSecret] = Field(
        min_length=1,
        max_length=32,
        description="Master secrets by id, each 32 to 64 bytes in hexadecimal digits.",
    )
    period: timedelta | None = Field(
        default=None,
        ge=timedelta(seconds=1),
        description="n of a key id counts such periods since 1970, and keys of later periods than the next one are "
        "not given yet; empty gives every n.",
    )


class FolderKeys(Section):
    """Key files of 16 bytes that the operator has."""

    kind: Literal["folder"] = Field(description="folder: files of 16 bytes.")
    folder: Path = Field(
        description="Where they lie, as {title path}/{key id}; below nothing that any origin serves."
    )


ContentKeySettings = Annotated[DerivedKeys | FolderKeys, Field(discriminator="kind")]

# One field of every kind of origin.
ContentKeysField = Annotated[
    ContentKeySettings | None,
    Field(
        description="Keys of its encrypted content, given at {title path}/key/{id} under a token for the title: "
        "kind derived with masters (id: 32 to 64 bytes in hexadecimal digits) and period, or kind folder with folder.",
    ),
]
