"""Every setting with its description and default, as example.env and as a Markdown table, made from the settings.

``python -m config.settings.reference env|markdown`` prints them; ``write`` renews example.env and config/README.md.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, to_jsonable_python

from config.settings.load import PREFIX, Settings

# Stands for the name that an operator gives an entry, such as an origin's.
ENTRY = "NAME"

# Around the table in config/README.md.
TABLE_BEGIN = "<!-- settings: begin -->\n"
TABLE_END = "<!-- settings: end -->"

_INTRODUCTION = """\
# Every setting of Kawa with its default. Take away the '#' of a line to set it; an empty value means the default.
# The same names work in kawa.toml (edge.listen.port) and as file names in KAWA_SECRETS_DIR (postgres__dsn);
# the environment wins over kawa.toml, and kawa.toml over the secret files.
# Lengths of time are seconds or ISO 8601 (PT0.1S, PT30S, P1D). Made by: python -m config.settings.reference write

# Where kawa.toml is; the default is ./kawa.toml, which need not be there.
# KAWA_CONFIG=kawa.toml

# A folder whose files are settings, for what must not stand in the environment.
# KAWA_SECRETS_DIR=
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting as an operator sees it."""

    path: tuple[str, ...]
    description: str
    default: str = ""  # as it would be written in the environment; empty for none
    choices: tuple[str, ...] = ()

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return _variable(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsGroup:
    """The settings of one section."""

    path: tuple[str, ...]
    description: str
    settings: tuple[Setting, ...]

    @property
    def name(self) -> str:
        """The section in the spelling of kawa.toml."""
        return ".".join(self.path) or "general"


def groups() -> list[SettingsGroup]:
    """Every setting there is, by section."""
    fields = Settings.model_fields
    defaults = {name: field.default for name, field in fields.items()}
    return list(_groups_in(fields, defaults, (), "For all programs."))


def example_env() -> str:
    """The text of example.env."""
    lines = [_INTRODUCTION]
    for group in groups():
        lines.append(f"\n\n# ---- {group.name}: {group.description}\n")
        lines += [
            f"\n# {_explained(setting)}\n# {setting.variable}={setting.default}\n"
            for setting in group.settings
        ]
    return "".join(lines)


def markdown() -> str:
    """A Markdown table of all settings."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for group in groups():
        rows.append(f"| **{group.name}** | | {group.description} |")
        for setting in group.settings:
            default = f"`{setting.default}`" if setting.default else ""
            rows.append(f"| `{setting.variable}` | {default} | {_explained(setting)} |")
    return "\n".join(rows) + "\n"


def write(root: Path) -> None:
    """Renew example.env and the table in config/README.md of the project in ``root``."""
    (root / "example.env").write_text(example_env())
    readme = root / "config" / "README.md"
    before, _, rest = readme.read_text().partition(TABLE_BEGIN)
    _, _, after = rest.partition(TABLE_END)
    readme.write_text(f"{before}{TABLE_BEGIN}{markdown()}{TABLE_END}{after}")


def main(arguments: list[str]) -> int:
    """Do what the one argument names."""
    match arguments:
        case ["env"]:
            sys.stdout.write(example_env())
        case ["markdown"]:
            sys.stdout.write(markdown())
        case ["write"]:
            write(Path())
        case _:
            sys.stderr.write("usage: python -m config.settings.reference env|markdown|write\n")
            return 2
    return 0


def _variable(path: tuple[str, ...]) -> str:
    return PREFIX + "__".join(part.upper() for part in path)


def _explained(setting: Setting) -> str:
    if not setting.choices:
        return setting.description
    return f"{setting.description} One of: {', '.join(setting.choices)}."


def _groups_in(
    fields: dict[str, FieldInfo], defaults: dict[str, Any], path: tuple[str, ...], description: str
) -> Iterator[SettingsGroup]:
    """A section's own settings, then those of the sections inside it."""
    sections = {name for name in fields if isinstance(defaults[name], BaseModel)}
    own = [
        _setting(field, defaults[name], (*path, name))
        for name, field in fields.items()
        if name not in sections
    ]
    if own:
        yield SettingsGroup(path=path, description=description, settings=tuple(own))
    for name, field in fields.items():
        if name in sections:
            inner = defaults[name]
            kind = type(inner)
            values = {key: getattr(inner, key) for key in kind.model_fields}
            yield from _groups_in(kind.model_fields, values, (*path, name), field.description or "")
        elif get_origin(field.annotation) is dict:
            yield _entry_group(field, (*path, name, ENTRY))


def _entry_group(field: FieldInfo, path: tuple[str, ...]) -> SettingsGroup:
    """The settings of one entry of a dictionary whose values are of several kinds."""
    _, values = get_args(field.annotation)
    union, discriminated = get_args(values)
    by_kind = {
        get_args(kind.model_fields[discriminated.discriminator].annotation)[0]: kind.model_fields
        for kind in get_args(union)
    }
    kind_of_entry = Setting(
        path=(*path, discriminated.discriminator),
        description="What stands behind it.",
        choices=tuple(by_kind),
    )
    settings = {(*kind_of_entry.path, ""): kind_of_entry}
    for kind, fields in by_kind.items():
        for name, part in fields.items():
            if name == discriminated.discriminator:
                continue
            same = [other for other, fields in by_kind.items() if _alike(fields.get(name), part)]
            setting = _setting(part, part.default, (*path, name))
            if len(same) < len(by_kind):
                kinds = " or ".join(same)
                setting = replace(setting, description=f"{setting.description} For kind {kinds}.")
            if same[0] == kind:
                settings[*setting.path, kind] = setting
    return SettingsGroup(
        path=path,
        description=f"An entry of {_variable(path[:-1])}, by a name of your choice.",
        settings=tuple(settings.values()),
    )


def _alike(field: FieldInfo | None, other: FieldInfo) -> bool:
    """Whether two kinds mean the same by a name."""
    return field is not None and field.description == other.description


def _setting(field: FieldInfo, default: Any, path: tuple[str, ...]) -> Setting:
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    return Setting(
        path=path,
        description=field.description or "",
        default=_written(default),
        choices=tuple(str(choice) for choice in choices),
    )


def _written(value: Any) -> str:
    if value is None or value is PydanticUndefined:
        return ""
    plain = to_jsonable_python(value)
    return plain if isinstance(plain, str) else json.dumps(plain, separators=(",", ":"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
