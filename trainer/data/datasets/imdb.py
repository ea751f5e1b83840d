"""IMDB: 50,000 film reviews in two halves, half of each positive (Maas et al. 2011).

The published tree is `aclImdb/{train,test}/{pos,neg}/ID_STARS.txt`; `train/unsup` holds 50,000 without labels.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from shared.errors import InputDataError
from trainer.data.datasets.archives import members
from trainer.data.datasets.published import TEST, TRAIN, HubCopy, PublishedDataset
from trainer.data.readers import checked_examples

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trainer.data.datasets.published import Files
    from trainer.data.examples import Examples

MAX_REVIEW_BYTES: Final = 1 << 20
"""The longest published review has 14 kB."""
_FILE = re.compile(r"(?:.*/)?(?P<part>train|test)/(?P<class>pos|neg|unsup)/(?P<number>\d+_\d+\.txt)")
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_UNLABELLED: Final = "in unsup, without a label"


def read_tree(files: Files) -> dict[str, Examples]:
    """The parts of the tree; raises InputDataError for a text that is not UTF-8 or too long."""
    rows: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    unlabelled = 0
    for member in members(files.place, _FILE):
        match = _FILE.fullmatch(member.name)
        if match is None:
            continue
        if match["class"] == "unsup":
            unlabelled += 1
            continue
        content = member.file.read(MAX_REVIEW_BYTES + 1)
        key = f"{match['part']}/{match['class']}/{match['number']}"
        rows[match["part"]].append((key, _text(content, f"{files.place}: {key}"), match["class"]))
    if not rows:
        raise InputDataError(f"{files.place} holds no train/pos/0_9.txt or the like; give aclImdb or its archive")
    parts: dict[str, Examples] = {
        part: _part(files, part, sorted(rows[part])) for part in (TRAIN, TEST) if part in rows
    }
    first, examples = next(iter(parts.items()))
    if unlabelled:
        left_out = {**examples.report.left_out, _UNLABELLED: unlabelled}
        report = replace(examples.report, rows=examples.report.rows + unlabelled, left_out=left_out)
        parts[first] = replace(examples, report=report)
    return parts


def without_breaks(parts: Mapping[str, Examples], _keep_emoticons: bool) -> dict[str, Examples]:
    """Line breaks in place of `<br />`, which the published texts have instead, and no text in service has."""
    return {
        name: replace(part, texts=tuple(_BREAK.sub("\n", text) for text in part.texts))
        for name, part in parts.items()
    }


def _text(content: bytes, where: str) -> str:
    if len(content) > MAX_REVIEW_BYTES:
        raise InputDataError(f"{where} has more than {MAX_REVIEW_BYTES:,} bytes; is it a review?")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise InputDataError(f"{where} is not UTF-8; download the data set again") from None


def _part(files: Files, part: str, rows: list[tuple[str, str, str]]) -> Examples:
    columns = {
        "id": [key for key, _, _ in rows],
        "text": [text for _, text, _ in rows],
        "label": [label for _, _, label in rows],
    }
    where = f"{files.place}: {part}"
    return checked_examples(columns, _COLUMNS, where=where, source=f"{files.source}/{part}", rules=files.rules)


_MAP: Final = "neg=negative,pos=positive"
_HUB: Final = HubCopy("stanfordnlp/imdb", {TRAIN: "train", TEST: "test"}, _MAP)
_COLUMNS: Final = _HUB.columns

IMDB: Final = PublishedDataset(
    name="imdb",
    about="50,000 film reviews, half of them for the test (Maas et al. 2011); negative, positive",
    files="the folder aclImdb or aclImdb_v1.tar.gz",
    label_map=_MAP,
    read=read_tree,
    hub=_HUB,
    after=without_breaks,
)
