"""A public data set by its name: from the files that its authors published, or from its copy on the hub.

The parts that its authors made are kept: each row knows whether it is of the training, validation or test part.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import numpy.typing as npt

from shared.errors import InputDataError
from trainer.data.datasets.archives import found_files
from trainer.data.examples import DataReport, Examples
from trainer.data.labels.label_map import LabelMap, parse_label_map
from trainer.data.labels.order import ordered
from trainer.data.labels.rules import NO_RULES
from trainer.data.readers import ColumnNames, checked_examples
from trainer.data.tables import read_columns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from trainer.data.labels.rules import LabelRules

TRAIN: Final = "train"
VALIDATION: Final = "validation"
TEST: Final = "test"

BoolArray = npt.NDArray[np.bool_]


class DatasetLoader(Protocol):
    """Turns the name of a data set into labelled rows."""

    @property
    def name(self) -> str:
        """What the user types."""
        ...

    @property
    def about(self) -> str:
        """Rows, origin and labels in one line."""
        ...

    def load(self, cache_dir: Path) -> Examples:
        """Downloads the data set, or takes it from the cache, and checks it; raises InputDataError.

        The same data set in the same version gives the same rows in the same order.
        """
        ...


@dataclass(frozen=True, slots=True)
class Files:
    """The published files, and how to read them."""

    place: Path
    """Folder, archive or file."""
    cache_dir: Path
    source: str
    """Begins the ids of rows that have none."""
    rules: LabelRules


def reader_of_files(
    names: Mapping[str, str], columns: ColumnNames, change: Callable[[str], str] | None = None
) -> Callable[[Files], dict[str, Examples]]:
    """A reader of tables, one for each part; `names` has the name of the file, `change` is made to each text."""

    def read(files: Files) -> dict[str, Examples]:
        parts = {}
        with found_files(files.place, names, files.cache_dir) as found:
            for part, path in found.items():
                table = read_columns(path, columns.all(), columns.options)
                if change:
                    table[columns.text] = [value and change(value) for value in table[columns.text]]
                where, source = f"{files.place}: {names[part]}", f"{files.source}/{part}"
                parts[part] = checked_examples(table, columns, where=where, source=source, rules=files.rules)
        return parts

    return read


@dataclass(frozen=True, slots=True)
class HubCopy:
    """The copy of a data set on the hub."""

    repository: str | Path
    splits: Mapping[str, str]
    """Names of the splits with labels, by part."""
    label_map: str
    columns: ColumnNames = ColumnNames()  # noqa: RUF009 - frozen
    subset: str | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class PublishedDataset:
    """One data set, where it is, and what its labels mean."""

    name: str
    about: str
    files: str
    """What `--from` takes, for people."""
    label_map: str
    """Of the published files; that of the user replaces it."""
    read: Callable[[Files], Mapping[str, Examples]]
    """The parts that the files hold."""
    hub: HubCopy | None = None
    drops_emoticons: bool = False
    """Whether its labels come from emoticons, which are removed from training texts unless they are kept."""
    after: Callable[[Mapping[str, Examples], bool], Mapping[str, Examples]] | None = None
    """What becomes of the parts, wherever they are from; the second argument says whether emoticons are kept."""


@dataclass(frozen=True, slots=True)
class PublishedLoader:
    """A data set with what the user says about it."""

    dataset: PublishedDataset
    place: Path | None = None
    rules: LabelRules = NO_RULES
    revision: str | None = None
    keep_emoticons: bool = False

    @property
    def name(self) -> str:
        """What the user types."""
        return self.dataset.name

    @property
    def about(self) -> str:
        """Rows, origin and labels in one line."""
        return self.dataset.about

    def load(self, cache_dir: Path) -> Examples:
        """Reads the published files, or the copy on the hub; raises InputDataError."""
        if self.place is not None:
            rules = with_map(self.rules, self.dataset.label_map)
            parts = self.dataset.read(Files(self.place, cache_dir, self.name, rules))
        elif self.dataset.hub is not None:
            try:
                parts = self._of_hub(self.dataset.hub, cache_dir)
            except InputDataError as error:
                raise InputDataError(
                    f"{error}; or fetch {self.name} --from PATH, where PATH is {self.dataset.files}"
                ) from None
        else:
            raise InputDataError(
                f"{self.name} is on no hub; download it from its authors, then fetch {self.name} --from PATH "
                f"--output FILE.parquet, where PATH is {self.dataset.files}"
            )
        if self.dataset.after is not None:
            parts = self.dataset.after(parts, self.keep_emoticons)
        return joined(parts, self.name)

    def _of_hub(self, copy: HubCopy, cache_dir: Path) -> dict[str, Examples]:
        from trainer.data.datasets.hub.dataset import HubDataset  # noqa: PLC0415 - imports `datasets`, which is slow

        return {
            part: HubDataset(
                self.name,
                copy.repository,
                copy.columns,
                with_map(self.rules, copy.label_map),
                subset=copy.subset,
                split=split,
                revision=self.revision or copy.revision,
            ).load(cache_dir)
            for part, split in copy.splits.items()
        }


def with_map(rules: LabelRules, spec: str) -> LabelRules:
    """The rules with a map for labels, unless the user gave one."""
    return rules if rules.label_map != LabelMap() else replace(rules, label_map=parse_label_map(spec))


def joined(parts: Mapping[str, Examples], source: str) -> Examples:
    """All parts as one data set in which each row knows its part."""
    names = ordered(sorted({name for part in parts.values() for name in part.label_names}), source, {})
    renumbered = [part.in_order_of(names, whose=source) for part in parts.values()]
    times = [part.created_at for part in renumbered if part.created_at is not None]
    sources = [part.sources for part in renumbered if part.sources is not None]
    left_out = Counter[str]()
    for part in renumbered:
        left_out.update(part.report.left_out)
    return Examples(
        texts=tuple(text for part in renumbered for text in part.texts),
        labels=np.concatenate([part.labels for part in renumbered]),
        label_names=names,
        ids=tuple(key for part in renumbered for key in part.ids),
        source=source,
        created_at=np.concatenate(times) if len(times) == len(renumbered) else None,
        sources=tuple(chain.from_iterable(sources)) if len(sources) == len(renumbered) else None,
        report=DataReport(
            rows=sum(part.report.rows for part in renumbered),
            left_out=dict(left_out),
            repeated_ids=sum(part.report.repeated_ids for part in renumbered),
        ),
        parts=tuple(name for name, part in parts.items() for _ in range(len(part))),
    )


def kept(part: Examples, which: BoolArray, reason: str) -> Examples:
    """The rows for which `which` holds, `[rows]`; the others are counted by the reason."""
    gone = len(part) - int(which.sum())
    if not gone:
        return part
    report = replace(part.report, left_out={**part.report.left_out, reason: gone})
    rest = part.take(np.flatnonzero(which))
    used, labels = np.unique(rest.labels, return_inverse=True)
    return replace(
        rest, labels=labels, label_names=tuple(part.label_names[label] for label in used), report=report
    )
