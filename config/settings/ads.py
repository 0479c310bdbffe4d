"""Settings of ad breaks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from config.settings.shared import Section

RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,63}(@[0-9]{1,6})?$")]

AdsField = Annotated[
    Literal["off", "explain", "strip", "gap"],
    Field(
        description="What becomes of the breaks that ads_rules find: nothing; comments in the manifest; taken out; or "
        "marked as gaps (HLS) and Periods taken out with every time kept (DASH). A token's claim `ads` comes first.",
    ),
]
AdsRulesField = Annotated[
    tuple[RuleName, ...],
    Field(
        max_length=16,
        description="Names of the rules that say what a break is, shipped ones or files of edge.ads.rules; without one "
        "no segment is ever taken for an ad.",
    ),
]
AdsInterstitialsField = Annotated[
    bool,
    Field(
        description="With strip or gap: take out the DATERANGEs that players would insert ads for (HLS interstitials).",
    ),
]


class AdsSettings(Section):
    rules: Path | None = Field(
        default=None,
        description="Folder with rule files (*.toml) beside those that are shipped; a name that is there twice is "
        "refused.",
    )
