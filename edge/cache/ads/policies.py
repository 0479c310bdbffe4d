"""What becomes of ad breaks, origin by origin: the settings, and the rules that they name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from config.runtime.processes import WrongUse
from config.settings.edge import EdgeSettings
from edge.manifests.ads import rule_files
from edge.manifests.ads.policy import AdPolicy, Treatment
from edge.manifests.ads.rules import NO_RULES, RuleFault, Rules
from edge.origin.carried.names import MARK


class _Named(Protocol):
    @property
    def name(self) -> str: ...


class Policies:
    """Treatments by origin and by what a grant says instead."""

    def __init__(self, own: Mapping[str, Treatment], rules: Mapping[str, Rules]) -> None:
        """``rules`` are those that each origin names and that are for it."""
        self._rules = rules
        self._treatments: dict[tuple[str, str | None], Treatment | None] = {
            (name, claim): _worth(
                treatment if claim is None else replace(treatment, policy=AdPolicy(claim))
            )
            for name, treatment in own.items()
            for claim in (None, *AdPolicy)
        }

    def of(self, origin: _Named, claim: str | None) -> Treatment | None:
        """How a viewer's manifests of an origin are treated; ``None``: they are left as they are."""
        return self._treatments.get((_owner(origin.name), claim))

    def rules_of(self, origin: str) -> Rules:
        """The rules that an origin names and that are for it."""
        return self._rules.get(_owner(origin), NO_RULES)

    def strips_by_rules(self, origin: _Named) -> bool:
        """Whether a viewer could have live playlists of an origin stripped, so that its renditions must be in step."""
        treatment = self.of(origin, AdPolicy.STRIP)
        return treatment is not None and bool(treatment.rules)

    @property
    def has_rules(self) -> bool:
        """Whether some origin names rules: a grant may ask for any policy then."""
        return any(self._rules.values())

    @property
    def strips(self) -> bool:
        """Whether the settings of some origin have breaks taken out."""
        return any(
            treatment is not None and treatment.policy is AdPolicy.STRIP and claim is None
            for (_, claim), treatment in self._treatments.items()
        )


def open_policies(settings: EdgeSettings) -> Policies:
    """The policies of all origins; ``WrongUse`` names a rule that is not there, or what is wrong with a file."""
    own = {
        name: Treatment(
            policy=AdPolicy(origin.ads),
            rules=origin.ads_rules,
            interstitials=origin.ads_interstitials,
        )
        for name, origin in settings.all_origins.items()
    }
    folder = settings.ads.rules
    rules: dict[str, Rules] = {}
    try:
        book = rule_files.load(() if folder is None else (folder,))
    except RuleFault as error:
        raise WrongUse(f"edge.ads.rules: {error}") from error
    for name, treatment in own.items():
        try:
            rules[name] = book.chosen(treatment.rules).where(origin=name)
        except RuleFault as error:
            raise WrongUse(f"edge.origins.{name}.ads_rules: {error}") from error
    return Policies(own, rules)


def _worth(treatment: Treatment) -> Treatment | None:
    """Without rules there is nothing to be found, and nothing to be done."""
    acts = treatment.policy in (AdPolicy.STRIP, AdPolicy.GAP)
    if treatment.policy is AdPolicy.OFF:
        return None
    return treatment if treatment.rules or (acts and treatment.interstitials) else None


def _owner(name: str) -> str:
    """The origin whose settings count: of a carried host the one that led there."""
    first, _, rest = name.partition("/")
    return rest.partition("/")[0] if first == MARK else name
