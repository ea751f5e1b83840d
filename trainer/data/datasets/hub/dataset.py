"""Data sets of the Hugging Face hub, and folders in the hub's layout, read with the `datasets` library.

Only files of data are read, and no code of a data set is run. The folder has two uses: a machine that cannot reach
the hub, and data that is not on it.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import datasets
import structlog
from huggingface_hub import HfApi
from huggingface_hub.utils.tqdm import disable_progress_bars

from shared.errors import InputDataError
from trainer.data.datasets.hub.columns import read_split
from trainer.data.datasets.hub.errors import explained
from trainer.data.labels.rules import NO_RULES
from trainer.data.readers import checked_examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.data.examples import Examples
    from trainer.data.labels.rules import LabelRules
    from trainer.data.readers import ColumnNames

DEFAULT_SPLIT: Final = "train"
FORMATS: Final = ("arrow", "csv", "json", "parquet", "cache")
"""Readers of `datasets` that may be chosen for a data set; `cache` reads again what one of the others has read."""

ANSWER_S: Final = 30.0
"""Seconds for the hub to say which commit a data set is at."""

_UNNAMED_SUBSET: Final = "default"
"""What `datasets` calls the subset of a data set that has no named one."""

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class HubDataset:
    """One split of a data set of the hub, or of a folder in the same layout."""

    name: str
    place: str | Path
    """OWNER/NAME on the hub, or the folder."""
    columns: ColumnNames
    rules: LabelRules = NO_RULES
    subset: str | None = None
    """None: the default one, which must exist if there are several."""
    split: str | None = None
    """None: `train`, or the only one."""
    revision: str | None = None
    """A commit, tag or branch; None: the newest commit."""

    @property
    def about(self) -> str:
        """Where it comes from; what it holds is known only after loading."""
        if isinstance(self.place, Path):
            return "a folder in the layout of the Hugging Face hub"
        return "a data set of the Hugging Face hub"

    def load(self, cache_dir: Path) -> Examples:
        """Downloads the data set, or takes its commit from the cache, and reads one split; raises InputDataError.

        The hub's own cache (HF_HOME) keeps the files as they are; `cache_dir` keeps the tables made of them.
        """
        _hush_libraries()
        cache = cache_dir / "hub"
        cache.mkdir(parents=True, exist_ok=True)
        if isinstance(self.place, Path):
            # Read anew each time: a changed folder must never be answered with the tables of an older one.
            with TemporaryDirectory(dir=cache) as tables:
                return self._read(str(self.place), None, Path(tables))
        return self._read(f"hf://datasets/{self.place}", self._commit(self.place), cache)

    def _commit(self, repository: str) -> str:
        """The full commit that the revision names now, so that what is read can be fetched again exactly."""
        if self.revision and _COMMIT.fullmatch(self.revision):
            return self.revision
        with explained(self.name, on_hub=True):
            found = HfApi().dataset_info(repository, revision=self.revision, timeout=ANSWER_S)
        return str(found.sha)

    def _read(self, path: str, commit: str | None, cache: Path) -> Examples:
        on_hub = commit is not None
        with explained(self.name, on_hub=on_hub):
            builder = datasets.load_dataset_builder(path, self.subset, revision=commit, cache_dir=str(cache))
        self._check(builder, commit)
        subset = str(builder.config.name)
        found = [str(name) for name in builder.config.data_files or builder.info.splits or ()]
        split = choose_split(found, self.split, self.name)
        log.info("hub_dataset", dataset=self.name, commit=commit, subset=subset, split=split, splits=found)
        with explained(self.name, on_hub=on_hub):
            builder.download_and_prepare()
            rows = builder.as_dataset(split=split)
        where = f"split {split!r} of {self.name}"
        read = read_split(rows, self.columns, where)
        examples = checked_examples(
            read.columns,
            self.columns,
            where=where,
            source=self._source(subset, split),
            rules=self.rules,
            known=read.class_names,
        )
        log.info("hub_dataset_read", dataset=self.name, commit=commit, fingerprint=examples.fingerprint())
        return examples

    def _check(self, builder: Any, commit: str | None) -> None:
        if builder.name not in FORMATS:
            raise InputDataError(
                f"{self.name} holds files of the kind {builder.name!r}; CSV, JSON, Parquet and Arrow can be read"
            )
        # Without an answer of the hub, the library takes the newest copy in the cache, whatever its commit.
        if commit is not None and builder.hash != commit:
            raise InputDataError(
                f"the hub gave no answer for {self.name}, and the newest copy in the cache is of commit "
                f"{builder.hash}, not {commit}; let this machine reach the hub, or give --revision {builder.hash}"
            )

    def _source(self, subset: str, split: str) -> str:
        """Also begins the ids of rows without one, so splits and subsets of one data set have different ids."""
        place = self.place.name if isinstance(self.place, Path) else self.place
        return f"{place}/{split}" if subset == _UNNAMED_SUBSET else f"{place}/{subset}/{split}"


def hub_dataset(
    name: str,
    columns: ColumnNames,
    rules: LabelRules,
    *,
    subset: str | None,
    split: str | None,
    revision: str | None,
) -> HubDataset:
    """The data set of a name such as hf:OWNER/NAME or hf:./FOLDER; raises InputDataError.

    A folder begins with a dot, a slash or a tilde, so that a folder that happens to be called OWNER/NAME never
    takes the place of the hub's data set.
    """
    place: str | Path = name.partition(":")[2]
    if str(place).startswith((".", "/", "~")):
        place = Path(place).expanduser().resolve()
        if not place.is_dir():
            raise InputDataError(f"{name}: {place} is not a folder")
        if revision is not None:
            raise InputDataError(f"{name} is a folder, which has no --revision")
    elif not _REPOSITORY.fullmatch(str(place)):
        raise InputDataError(f"{name} names no data set; write hf:OWNER/NAME, or hf:./FOLDER for a folder")
    return HubDataset(name, place, columns, rules, subset=subset, split=split, revision=revision)


def choose_split(found: Sequence[str], wanted: str | None, name: str) -> str:
    """The wanted split, else `train`, else the only one; raises InputDataError with the splits that there are."""
    split = wanted or (found[0] if len(found) == 1 else DEFAULT_SPLIT)
    if split not in found:
        raise InputDataError(
            f"{name} has no split {split!r}; splits found: {', '.join(found) or 'none'}; choose with --split"
        )
    return split


def _hush_libraries() -> None:
    """Silences progress bars and messages that repeat our own errors, and leaves out the count of downloads."""
    datasets.disable_progress_bars()
    disable_progress_bars()
    datasets.logging.set_verbosity_error()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False  # a request that tells a server which data set is used
