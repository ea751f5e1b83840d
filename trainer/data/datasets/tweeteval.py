"""TweetEval, sentiment: 59,899 tweets of SemEval 2017 task 4 (Rosenthal et al. 2017, Barbieri et al. 2020).

Published as texts and numbers a line in files of their own, with the names of the numbers in mapping.txt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.errors import InputDataError
from trainer.data.datasets.archives import found_files
from trainer.data.datasets.published import TEST, TRAIN, VALIDATION, HubCopy, PublishedDataset
from trainer.data.readers import DEFAULT_COLUMNS, checked_examples
from trainer.data.tables import ReadOptions, read_pair

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.data.datasets.published import Files
    from trainer.data.examples import Examples

NAMES: Final = {
    f"{part} {kind}": f"{name}_{kind}.txt"
    for part, name in ((TRAIN, "train"), (VALIDATION, "val"), (TEST, "test"))
    for kind in ("text", "labels")
}
_OPTIONS: Final = ReadOptions(encoding="utf-8")
_MAP: Final = "0=negative,1=neutral,2=positive"


def read_texts(files: Files) -> dict[str, Examples]:
    """The parts that have both files; raises InputDataError if one has only one."""
    with found_files(files.place, NAMES, files.cache_dir) as found:
        parts = [part for part in (TRAIN, VALIDATION, TEST) if {f"{part} text", f"{part} labels"} & found.keys()]
        return {part: _part(files, part, found) for part in parts}


def _part(files: Files, part: str, found: dict[str, Path]) -> Examples:
    lacking = [NAMES[key] for key in (f"{part} text", f"{part} labels") if key not in found]
    if lacking:
        raise InputDataError(f"{files.place} has no {lacking[0]}; each part has a file of texts and one of labels")
    columns = read_pair(found[f"{part} text"], found[f"{part} labels"], _OPTIONS)
    if columns is None:
        raise InputDataError(f"{files.place}: {NAMES[f'{part} labels']} does not hold a number in each line")
    return checked_examples(
        columns,
        DEFAULT_COLUMNS,
        where=f"{files.place}: {part}",
        source=f"{files.source}/{part}",
        rules=files.rules,
    )


TWEETEVAL: Final = PublishedDataset(
    name="tweeteval",
    about="59,899 tweets of SemEval in three parts (Barbieri et al. 2020); negative, neutral, positive",
    files="the folder datasets/sentiment of the TweetEval repository",
    label_map=_MAP,
    read=read_texts,
    hub=HubCopy(
        "cardiffnlp/tweet_eval",
        {TRAIN: "train", VALIDATION: "validation", TEST: "test"},
        _MAP,
        subset="sentiment",
    ),
)
