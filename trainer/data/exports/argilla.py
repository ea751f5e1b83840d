"""Argilla: records as `to_json` and `to_list` write them (nested), as `to_datasets` does (flat), and version 1.

Sources: `Record.to_dict`, `RecordResponses.to_dict` and `GenericIO._record_to_dict` in
`argilla/src/argilla/records`.

- nested: `fields: {...}`, `responses: {question: [{value, user_id, status}]}`, `suggestions`
- flat: `question.responses: [...]`, `question.responses.status: [...]`, `question.suggestion`
- version 1, feedback: `question: [{value, user_id, status}]` and `question-suggestion`
- version 1, text classification: `annotation`, `annotation_agent`, `status`

A suggestion is the answer of a model, not of a person: it is no label. Drafts and discarded responses are none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from trainer.data.exports.shape import Tool, answer_name, bare, objects, text_field, tree
from trainer.data.labels.left_out import NO_LABEL, SKIPPED, LeftOut
from trainer.data.labels.votes import Votes

if TYPE_CHECKING:
    from trainer.data.exports.shape import Data
    from trainer.data.readers import ColumnNames
    from trainer.data.tables import Columns

_RESPONSES: Final = ".responses"
_STATUS: Final = ".responses.status"
_SUGGESTION: Final = "-suggestion"
_QUESTIONS: Final = "an export of Argilla with the questions"
_NO_RESPONSE: Final = LeftOut("without a response")
_UNSENT: Final = frozenset({"draft", "discarded"})


def _further_columns(present: set[str], names: ColumnNames) -> set[str]:
    flat = {name for name in present if bare(name).endswith((_RESPONSES, _STATUS))}
    feedback = {name.removesuffix(_SUGGESTION) for name in present if name.endswith(_SUGGESTION)}
    return (flat | (feedback & present)) - {names.text, names.id}


def _plain(data: Data) -> Columns | None:
    columns, label = {bare(name): values for name, values in data.columns.items()}, data.names.label
    if columns.get("fields") and columns.get("responses"):
        return _nested(data)
    if questions := [name.removesuffix(_RESPONSES) for name in columns if name.endswith(_RESPONSES)]:
        question = answer_name(questions, data, _QUESTIONS)
        values = columns[question + _RESPONSES]
        statuses = columns.get(question + _STATUS) or [None] * len(values)
        return {label: [_flat(*row) for row in zip(values, statuses, strict=True)]}
    if questions := [name for name in columns if name + _SUGGESTION in columns]:
        question = answer_name(questions, data, _QUESTIONS)
        return {label: [_votes(_listed(value)) for value in columns[question]]}
    if columns.get("annotation") and "annotation_agent" in columns:
        values = columns["annotation"]
        statuses = columns.get("status") or [None] * len(values)
        return {
            label: [
                SKIPPED if status == "Discarded" else value for value, status in zip(values, statuses, strict=True)
            ]
        }
    return None


def _nested(data: Data) -> Columns:
    fields = [tree(value) for value in data.columns["fields"]]
    answers = [found if isinstance(found := tree(value), dict) else {} for value in data.columns["responses"]]
    names = {name for row in answers for name, given in row.items() if given}
    question = answer_name(names, data, _QUESTIONS) if names else ""
    field = text_field(fields, data)
    return {
        data.names.text: [row.get(field) if isinstance(row, dict) else None for row in fields],
        data.names.label: [_votes(objects(row.get(question))) for row in answers],
    }


def _flat(values: Any, statuses: Any) -> Any:
    values, statuses = tree(values), tree(statuses)
    if not isinstance(values, list):
        return NO_LABEL if values is None else values
    if not isinstance(statuses, list) or len(statuses) != len(values):
        statuses = [None] * len(values)
    return _votes([{"value": value, "status": status} for value, status in zip(values, statuses, strict=True)])


def _listed(value: Any) -> list[dict[str, Any]]:
    """Responses as objects; the `datasets` library turns a list of objects into an object of lists."""
    found = tree(value)
    if not isinstance(found, dict) or not isinstance(found.get("value"), list):
        return objects(found)
    statuses = found.get("status") or [None] * len(found["value"])
    return [{"value": one, "status": status} for one, status in zip(found["value"], statuses, strict=False)]


def _votes(responses: list[dict[str, Any]]) -> Any:
    sent = [one.get("value") for one in responses if one.get("status") not in _UNSENT]
    return Votes(sent) or (SKIPPED if responses else _NO_RESPONSE)


ARGILLA: Final = Tool(
    "Argilla", frozenset({"fields", "responses", "annotation", "status"}), _plain, _further_columns
)
