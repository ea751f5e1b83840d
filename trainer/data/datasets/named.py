"""What `--data` names: files, or a data set by its name.

A path that exists is always read as files, so a name never takes the place of the user's own data. Where a file or
folder has the name of a data set, `fetch` gets the data set.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import structlog

from shared.errors import InputDataError
from trainer.data.datasets import HUB, NAMES, find_dataset, known_names
from trainer.data.labels.rules import label_rules
from trainer.data.readers import column_names, read_examples

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.data.examples import Examples
    from trainer.settings import TrainerSettings

log = structlog.get_logger()


def read_part(data: Path, part: str, settings: TrainerSettings) -> Examples:
    """All rows of files; of a data set with parts, the rows of this one. Raises InputDataError if it has none."""
    examples = read_data(data, settings)
    if examples.parts is None:
        return examples
    rows = np.flatnonzero(np.array(examples.parts) == part)
    if not len(rows):
        there = ", ".join(sorted(set(examples.parts)))
        raise InputDataError(f"--{part} {data}: this data set has no {part} part, but {there}; give a file")
    return replace(examples.take(rows), parts=None)


def read_data(data: Path, settings: TrainerSettings, labels: Path | None = None) -> Examples:
    """The labelled rows of files or of a data set, by the settings; raises InputDataError."""
    name = str(data)
    is_name = name in NAMES or name.startswith(HUB)
    if data.exists():
        if is_name:
            log.warning("read_as_files", data=name, reason="a file or folder has the name of a data set")
        return read_examples(data, column_names(settings), labels, label_rules(settings))
    if is_name:
        if labels is not None:
            raise InputDataError(f"{name} has its labels; leave out --labels")
        return find_dataset(name, column_names(settings), label_rules(settings)).load(settings.cache_dir)
    if data.parent == type(data)() and not data.suffix:
        raise InputDataError(f"{name} is neither a file or folder here nor a data set; {known_names()}")
    return read_examples(data, column_names(settings), labels, label_rules(settings))
