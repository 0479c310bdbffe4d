"""From folders of TOML files to a book of rules; whatever is wrong is said with its file, line and key."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from pydantic import ValidationError

from edge.manifests.ads import rule_schema
from edge.manifests.ads.rule_lines import Lines
from edge.manifests.ads.rule_schema import RuleTable, TestTable
from edge.manifests.ads.rules import BadRuleFile, Rule, RuleBook

SHIPPED = Path(__file__).resolve().with_name("rules")
_MOST_BYTES = 1024 * 1024
_MOST_FILES = 256
_TOML_LINE = re.compile(r" \(at line ([0-9]{1,9}), column [0-9]{1,9}\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleFile:
    """One file: its rule and the tests that it carries."""

    path: Path
    rule: Rule
    tests: tuple[TestTable, ...]
    test_lines: tuple[int | None, ...]

    @property
    def is_shipped(self) -> bool:
        """Whether it came with Kawa."""
        return self.path.parent == SHIPPED


def load(folders: Iterable[Path] = ()) -> RuleBook:
    """The shipped rules and those of the folders; raises ``BadRuleFile`` for the first that is wrong."""
    files: dict[str, RuleFile] = {}
    for path in files_of(folders):
        add(files, read(path))
    return RuleBook(file.rule for file in files.values())


def files_of(folders: Iterable[Path] = ()) -> Sequence[Path]:
    """The shipped files, then those of the folders by name; raises ``BadRuleFile`` for a folder that is none."""
    found: list[Path] = []
    for folder in (SHIPPED, *(other for other in folders if other.resolve() != SHIPPED)):
        try:
            here = sorted(path for path in folder.iterdir() if _is_rule(path))
        except OSError as error:
            raise BadRuleFile(folder, f"no folder of rules: {error.strerror}") from error
        if len(here) > _MOST_FILES:
            raise BadRuleFile(folder, f"more than {_MOST_FILES} files of rules")
        found += here
    return found


def _is_rule(path: Path) -> bool:
    return path.suffix == ".toml" and not path.name.startswith(".")


def add(files: dict[str, RuleFile], file: RuleFile) -> None:
    """Puts the file among those before it; two that mean different things by one name are a fault."""
    before = files.get(file.rule.label)
    if before is not None:
        whose = "Kawa itself has" if before.is_shipped else f"{before.path} has"
        raise BadRuleFile(
            file.path,
            f"{whose} {file.rule.label} already; give this one another name or a higher version",
            key="version",
        )
    files[file.rule.label] = file


def read(path: Path) -> RuleFile:
    """One file; raises ``BadRuleFile``."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise BadRuleFile(path, error.strerror or "it cannot be read") from error
    if len(data) > _MOST_BYTES:
        raise BadRuleFile(path, f"more than {_MOST_BYTES} bytes")
    try:
        text = data.decode()
        table = rule_schema.read(tomllib.loads(text, parse_float=Decimal))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadRuleFile(path, "it is not UTF-8", line=line) from error
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(path, str(error)) from error
    except ValidationError as error:
        raise _not_a_rule(path, text, error) from error
    except (RecursionError, ValueError, ArithmeticError) as error:  # of tomllib: nesting, numbers
        raise BadRuleFile(path, f"it is not TOML that can be read: {error}") from error
    return _file(path, text, table)


def _file(path: Path, text: str, table: RuleTable) -> RuleFile:
    lines = Lines(text)
    return RuleFile(
        path=path,
        rule=table.compiled(digest=hashlib.blake2b(text.encode(), digest_size=16).hexdigest()),
        tests=tuple(table.test),
        test_lines=tuple(lines.of(("test", number)) for number in range(len(table.test))),
    )


def _not_toml(path: Path, message: str) -> BadRuleFile:
    place = _TOML_LINE.search(message)
    line = None if place is None else int(place[1])
    return BadRuleFile(path, f"not TOML: {_TOML_LINE.sub('', message)}", line=line)


def _not_a_rule(path: Path, text: str, error: ValidationError) -> BadRuleFile:
    first = error.errors(include_url=False)[0]
    place = _without_kind(first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        what = "there is no such key"
    elif first["type"] == "missing":
        what = "this key is missing"
    shown = ".".join(str(part + 1) if isinstance(part, int) else part for part in place)
    return BadRuleFile(path, what, line=Lines(text).of(place), key=shown)


def _without_kind(place: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """The place in the file: pydantic names a signal's kind after its number."""
    return place[:2] + place[3:] if place[:1] == ("signal",) else place
