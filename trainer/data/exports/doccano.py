"""doccano: JSON and JSON Lines with a list of labels, CSV with labels joined by `#`, and exports before 1.0.

Source: `create_formatter` and `JoinedCategoryFormatter` in `backend/data_export/pipeline`: the columns are `id`,
`text`, `label` and `Comments`. Before 1.0 the labels were in `labels`, which is read in any data, or in
`annotations` as `{"label": number, "user": number}`. A project in which each annotator labels every text gives a
file for each: put them in one folder, and the majority counts.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from trainer.data.exports.shape import Tool, objects
from trainer.data.labels.left_out import NO_LABEL, SPANS
from trainer.data.labels.votes import Votes

if TYPE_CHECKING:
    from trainer.data.exports.shape import Data
    from trainer.data.tables import Columns

_COMMENTS: Final = "Comments"


def _plain(data: Data) -> Columns | None:
    columns, label = data.columns, data.names.label
    if label in columns:
        if _COMMENTS not in columns:
            return None
        return {label: [_parted(value) for value in columns[label]]}
    answers = columns.get("annotations") or []
    if any("label" in one for value in answers for one in objects(value)):
        return {label: [_votes(objects(value)) for value in answers]}
    return None


def _parted(value: Any) -> Any:
    return value.split("#") if isinstance(value, str) and "#" in value else value


def _votes(answers: list[dict[str, Any]]) -> Any:
    if any("start_offset" in one for one in answers):
        return SPANS
    labels_of: dict[str, list[Any]] = defaultdict(list)
    for one in answers:
        labels_of[str(one.get("user"))].append(one.get("label"))
    return Votes(labels_of.values()) or NO_LABEL


DOCCANO: Final = Tool("doccano", frozenset({"annotations"}), _plain)
