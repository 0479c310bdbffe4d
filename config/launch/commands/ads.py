"""``kawa ads``: the rules by which ad breaks are found, and whether they hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from config.settings.load import settings_or_exit
from edge.manifests.ads import rule_files, trial
from edge.manifests.ads.rule_files import RuleFile
from edge.manifests.ads.rules import BadRuleFile

_F = Callable[..., None]


def _options(command: _F) -> _F:
    """What both commands have."""
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON, one row a file.")(
        command
    )
    return click.argument(
        "folders",
        nargs=-1,
        metavar="[FOLDER]...",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
    )(command)


@click.group()
def ads() -> None:
    """Rules of ad breaks: list them, check them.

    The shipped rules, and those of every FOLDER; without one, of the settings' edge.ads.rules.
    """


@dataclass(frozen=True, slots=True)
class _Failed:
    line: int | None
    test: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """What became of one file."""

    path: Path
    file: RuleFile | None = None
    error: BadRuleFile | None = None
    passed: int = 0
    skipped: int = 0
    failed: tuple[_Failed, ...] = ()

    @property
    def is_good(self) -> bool:
        return self.error is None and not self.failed

    def to_json(self) -> dict[str, Any]:
        error = self.error
        return {
            "file": str(self.path),
            "rule": None if self.file is None else self.file.rule.label,
            "error": None
            if error is None
            else {"line": error.line, "key": error.key or None, "what": error.what},
            "passed": self.passed,
            "skipped": self.skipped,
            "failed": [{"line": one.line, "test": one.test, "why": one.why} for one in self.failed],
        }

    def to_text(self) -> Iterator[str]:
        if self.error is not None:
            yield f"BAD  {self.error}"
            return
        label = "" if self.file is None else self.file.rule.label
        counts = f"{self.passed} passed"
        counts += f", {len(self.failed)} failed" if self.failed else ""
        counts += f", {self.skipped} need --corpus" if self.skipped else ""
        yield f"{'ok ' if self.is_good else 'BAD'}  {label:<16} {counts}"
        for one in self.failed:
            place = self.path if one.line is None else f"{self.path}:{one.line}"
            yield f"     {place}: {one.test}{': ' if one.test else ''}{one.why}"


@ads.command("check")
@_options
@click.option(
    "--corpus",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the files that tests name (hls/…, dash/…); without it those tests wait.",
)
def check(folders: tuple[Path, ...], corpus: Path | None, as_json: bool) -> None:
    """Read every rule file and run the tests that it carries."""
    rows = tuple(_checked(_folders(folders), corpus))
    for row in rows:
        for line in (json.dumps(row.to_json()),) if as_json else row.to_text():
            click.echo(line)
    if not all(row.is_good for row in rows):
        raise SystemExit(1)


@ads.command("list")
@_options
def list_(folders: tuple[Path, ...], as_json: bool) -> None:
    """Show the rules that an origin may name."""
    good: dict[str, RuleFile] = {}
    try:
        for path in rule_files.files_of(_folders(folders)):
            rule_files.add(good, rule_files.read(path))
    except BadRuleFile as error:
        click.echo(f"kawa: {error}", err=True)
        raise SystemExit(1) from None
    for file in sorted(good.values(), key=lambda file: (file.rule.name, file.rule.version)):
        if as_json:
            click.echo(json.dumps(_listed(file)))
        else:
            place = "shipped" if file.is_shipped else str(file.path)
            click.echo(f"{file.rule.label:<16} {place:<10} {file.rule.about}")


def _listed(file: RuleFile) -> dict[str, Any]:
    rule = file.rule
    return {
        "rule": rule.label,
        "name": rule.name,
        "version": rule.version,
        "about": rule.about,
        "threshold": rule.threshold,
        "splice": None if rule.splice is None else sorted(rule.splice.tags),
        "signals": [{"kind": signal.kind, "weight": signal.weight} for signal in rule.signals],
        "origins": list(rule.match.origins),
        "url": None if rule.match.url is None else rule.match.url.source,
        "shipped": file.is_shipped,
        "file": str(file.path),
        "tests": len(file.tests),
    }


def _folders(given: Sequence[Path]) -> Sequence[Path]:
    if given:
        return given
    own = settings_or_exit().edge.ads.rules
    return () if own is None else (own,)


def _checked(folders: Sequence[Path], corpus: Path | None) -> Iterator[_Checked]:
    good: dict[str, RuleFile] = {}
    try:
        paths = rule_files.files_of(folders)
    except BadRuleFile as error:
        yield _Checked(path=error.file, error=error)
        return
    for path in paths:
        try:
            file = rule_files.read(path)
            rule_files.add(good, file)
        except BadRuleFile as error:
            yield _Checked(path=path, error=error)
        else:
            yield _tried(file, corpus)


def _tried(file: RuleFile, corpus: Path | None) -> _Checked:
    failed: list[_Failed] = []
    verdicts: list[str] = []
    for test, line in zip(file.tests, file.test_lines, strict=True):
        outcome = trial.run(file.rule, test, corpus=corpus)
        verdicts.append(outcome.verdict)
        if outcome.verdict == "failed":
            failed.append(_Failed(line, test.about or test.corpus or "", outcome.why))
    return _Checked(
        path=file.path,
        file=file,
        passed=verdicts.count("passed"),
        skipped=verdicts.count("skipped"),
        failed=tuple(failed),
    )
