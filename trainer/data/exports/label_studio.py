"""Label Studio: JSON (a task with its annotations), JSON_MIN and CSV (a row for each annotation).

Sources: https://labelstud.io/guide/task_format, and `convert_to_json_min`, `annotation_result_from_task` and
`prettify_result` in `label_studio_sdk/converter`. An annotation that was cancelled is a skipped one. A control
that allows several choices gives `{"choices": [...]}` in JSON_MIN and CSV. Older versions say `completions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from shared.errors import InputDataError
from trainer.data.exports.shape import Tool, answer_name, objects, text_field, tree
from trainer.data.labels.left_out import NO_LABEL, SKIPPED, SPANS
from trainer.data.labels.votes import Votes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trainer.data.exports.shape import Data
    from trainer.data.labels.left_out import LeftOut
    from trainer.data.readers import ColumnNames
    from trainer.data.tables import Columns

_OF_ANNOTATION: Final = frozenset({"annotator", "annotation_id", "created_at", "updated_at", "lead_time"})
"""Columns of JSON_MIN and CSV."""
_CONTROLS: Final = frozenset({"choices", "rating", "number", "taxonomy"})
"""Types of controls that label a whole text; the value is in a field of the same name."""


def _further_columns(present: set[str], names: ColumnNames) -> set[str]:
    """The controls are columns with the names of the labelling configuration."""
    if not present >= _OF_ANNOTATION or names.label in present:
        return set()
    return present - _OF_ANNOTATION - {"id", "agreement", names.text, names.id}


def _plain(data: Data) -> Columns | None:
    columns, names = data.columns, data.names
    answers = next((columns[name] for name in ("annotations", "completions") if columns.get(name)), None)
    if columns.get("data") and answers and any(_is_annotation(one) for row in answers for one in objects(row)):
        return _of_tasks(data, answers)
    if not columns.keys() >= _OF_ANNOTATION:
        return None
    control = names.label
    if control not in columns:
        controls = _further_columns(set(columns), names)
        filled = [name for name in controls if any(value is not None for value in columns[name])]
        control = answer_name(filled, data, "an export of Label Studio, with labels in one of the columns")
    return {names.label: columns[control]} | _without_time(names)


def _of_tasks(data: Data, answers: list[Any]) -> Columns:
    names = data.names
    given = [[one for one in objects(row) if _is_annotation(one)] for row in answers]
    kept = [[one for one in row if not (one.get("was_cancelled") or one.get("skipped"))] for row in given]
    controls = {control for row in kept for one in row for control, _ in _results(one)}
    if not controls:
        raise InputDataError(
            f"{data.where}: an export of Label Studio without choices or ratings for whole texts; export a "
            "project whose labelling configuration has <Choices>"
        )
    control = answer_name(controls, data, "an export of Label Studio with the controls")
    tasks = [tree(one) for one in data.columns["data"]]
    field = text_field(tasks, data)
    labels: list[Any] = []
    for all_of_row, row in zip(given, kept, strict=True):
        # Where a reviewer marked an annotation as the truth, the others are not counted.
        counted = [one for one in row if one.get("ground_truth")] or row
        votes = Votes(value for one in counted for name, value in _results(one) if name == control)
        labels.append(votes or _why_none(all_of_row, row))
    texts = [task.get(field) if isinstance(task, dict) else None for task in tasks]
    return {names.text: texts, names.label: labels} | _without_time(names)


def _is_annotation(one: dict[str, Any]) -> bool:
    return isinstance(one.get("result"), list)


def _results(annotation: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Name of the control, and its value, of each result that is for the whole text."""
    for result in objects(annotation["result"]):
        control, value = str(result.get("type")), result.get("value")
        if control not in _CONTROLS or not isinstance(value, dict) or value.get("start") is not None:
            continue
        found = value.get(control)
        if control == "taxonomy" and isinstance(found, list):  # each choice is a path from the root
            found = ["/".join(map(str, path)) if isinstance(path, list) else path for path in found]
        if found is not None:
            yield str(result.get("from_name") or "label"), found


def _why_none(given: list[dict[str, Any]], kept: list[dict[str, Any]]) -> LeftOut:
    """Why a task has no label."""
    if given and not kept:
        return SKIPPED
    values = [result.get("value") for one in kept for result in objects(one["result"])]
    spans = any(isinstance(value, dict) and value.get("start") is not None for value in values)
    return SPANS if spans else NO_LABEL


def _without_time(names: ColumnNames) -> Columns:
    return {names.time: []} if names.time in _OF_ANNOTATION else {}


LABEL_STUDIO: Final = Tool(
    "Label Studio", frozenset({"data", "annotations", "completions"}), _plain, _further_columns
)
