"""Reading a YAML file of settings: values by dotted name, none of them twice, and no error that quotes a value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from shared.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NOT_YAML: Final = (
    yaml.YAMLError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    OverflowError,
    RecursionError,
)
"""PyYAML does not catch the exceptions of Python for a date of month 13, `!!bool x`, `!!int ""` or `[[[[...`."""
PLAIN: Final = re.compile(r"[\w.-]{1,100}")
"""Names that an error may quote. YAML reads {sasl_password:secret}, without a space, as one name."""
_MERGE: Final = "<<"


class _Loader(yaml.SafeLoader):
    """Refuses a name that a mapping has twice: PyYAML takes the last, and the first would have no effect."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        # Before those of an alias are merged in, which a mapping may replace.
        names = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != _MERGE]
        seen = set[str]()
        for name in names:
            if name.value in seen:
                raise yaml.constructor.ConstructorError(problem=_TWICE, problem_mark=name.start_mark)
            seen.add(name.value)
        return super().construct_mapping(node, deep)


_TWICE: Final = "twice"


def read_yaml(file: Path) -> dict[str, Any]:
    """The content of a settings file; raises SettingsError."""
    try:
        tree = yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise SettingsError(f"cannot read the settings file {file}: {error.strerror}") from None
    except NOT_YAML as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        if getattr(error, "problem", None) == _TWICE:
            raise SettingsError(f"the settings file {file} has a name for the second time{line}") from None
        # Without the message of PyYAML, which quotes the file and so perhaps a secret.
        raise SettingsError(f"the settings file {file} is not valid YAML{line}") from None
    if not isinstance(tree, dict | None):
        raise SettingsError(f"the settings file {file} must hold names and values")
    return tree or {}


def leaves(tree: Mapping[str, Any], known: Mapping[str, type], file: Path) -> dict[str, Any]:
    """Values by dotted name; raises SettingsError for a setting that is there both nested and with a dotted name.

    Goes no deeper than names do, since a YAML alias may contain itself, and never into the value of a setting: a
    password such as {secret} is a mapping in YAML, and would appear in a name and in an error.
    """
    found: dict[str, Any] = {}
    for name, value in _leaves(tree, known, "", max(name.count(".") for name in known)):
        if name in found:
            shown = name if PLAIN.fullmatch(name) else "with no plain name"
            raise SettingsError(f"the settings file {file} has the setting {shown} twice; keep one of them")
        found[name] = value
    return found


def _leaves(
    tree: Mapping[str, Any], known: Mapping[str, type], prefix: str, deepest: int
) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and path not in known and prefix.count(".") < deepest:
            yield from _leaves(value, known, f"{path}.", deepest)
        else:
            yield path, value
