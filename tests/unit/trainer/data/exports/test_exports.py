"""Exports of labelling tools, made in the shapes that their documentation and sources show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from shared.errors import InputDataError
from trainer.data.readers import ColumnNames, checked_examples, read_examples

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.data.examples import Examples
    from trainer.data.tables import Columns


def table(rows: list[dict[str, Any]]) -> Columns:
    """The columns of JSON objects, as the readers make them."""
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(key for row in rows for key in row)}


def check(rows: list[dict[str, Any]], *, text: str = "text", label: str = "label") -> Examples:
    """The examples of an export."""
    return checked_examples(table(rows), ColumnNames(text=text, label=label), where="export.json", source="export")


def labels(found: Examples) -> list[str]:
    """The label of each example."""
    return [found.label_names[label] for label in found.labels]


def annotation(*choices: str, control: str = "sentiment", **more: Any) -> dict[str, Any]:
    """One annotation of Label Studio with choices."""
    result = {"from_name": control, "to_name": "text", "type": "choices", "value": {"choices": list(choices)}}
    return {"id": 1, "completed_by": 1, "result": [result], "was_cancelled": False, **more}


def task(number: int, *annotations: dict[str, Any]) -> dict[str, Any]:
    """One task of Label Studio."""
    data = {"text": f"text {number}", "author": "someone"}
    return {"id": number, "created_at": "2026-01-01T00:00:00Z", "data": data, "annotations": list(annotations)}


def test_label_studio_tasks_have_the_majority_of_their_annotations() -> None:
    """Skipped annotations do not count, the truth of a reviewer counts alone; every other row has its reason."""
    found = check(
        [
            task(1, annotation("pos"), annotation("pos"), annotation("neg")),
            task(2, annotation("pos"), annotation("neg")),
            task(3, annotation("neg"), annotation("pos", was_cancelled=True)),
            task(4, annotation("pos", was_cancelled=True)),
            task(5, annotation("pos"), annotation("pos"), annotation("neg", ground_truth=True)),
            task(6, annotation("pos", "neg")),
            task(7),
            task(8, annotation() | {"result": [{"type": "labels", "value": {"start": 0, "labels": ["X"]}}]}),
        ]
    )
    assert found.texts == ("text 1", "text 3", "text 5")
    assert labels(found) == ["pos", "neg", "neg"]
    assert found.ids == ("1", "3", "5")
    assert found.report.tool == "Label Studio"
    assert found.created_at is None  # the time of the task, not of the text
    assert found.report.left_out == {
        "with annotators who disagree": 1,
        "skipped by the annotators": 1,
        "with several labels": 1,
        "without a label": 1,
        "with labels for parts of the text only": 1,
    }


def test_label_studio_ratings_and_taxonomies_are_labels() -> None:
    """A rating is a number; a choice of a taxonomy is a path."""
    rating = {"type": "rating", "from_name": "stars", "value": {"rating": 4}}
    path = {"type": "taxonomy", "from_name": "topic", "value": {"taxonomy": [["food", "fruit"]]}}
    rows = [task(number, annotation() | {"result": [rating, path]}) for number in range(2)]
    assert labels(check(rows, label="stars")) == ["4", "4"]
    assert labels(check(rows, label="topic")) == ["food/fruit", "food/fruit"]
    with pytest.raises(InputDataError, match="with the controls: stars, topic; choose with --label-column"):
        check(rows)


def test_label_studio_texts_are_found_or_asked_for() -> None:
    """Of several fields with strings, one has to be named; data.text names the same one."""
    rows = [task(1, annotation("pos")) | {"data": {"review": "fine", "author": "someone"}}]
    assert check(rows, text="review").texts == check(rows, text="data.review").texts == ("fine",)
    with pytest.raises(InputDataError, match="fields with texts: author, review; choose with --text-column"):
        check(rows)


def test_label_studio_without_choices_says_how_to_export() -> None:
    """An export of a project that labels spans."""
    spans = {"result": [{"type": "labels", "value": {"start": 0, "end": 4, "labels": ["X"]}}]}
    with pytest.raises(InputDataError, match=r"without choices or ratings .* <Choices>"):
        check([task(1, spans)])


def flat_task(number: int, annotator: int, label: object) -> dict[str, Any]:
    """One row of JSON_MIN: an annotation with the data of its task."""
    about = {"annotation_id": number * 10 + annotator, "created_at": "x", "updated_at": "x", "lead_time": 1.5}
    return {"text": f"text {number}", "id": number, "sentiment": label, "annotator": annotator, **about}


def test_label_studio_rows_of_a_task_are_merged(tmp_path: Path) -> None:
    """JSON_MIN has a row for each annotation, and the name of the control as a column."""
    rows = [
        flat_task(1, 1, "pos"),
        flat_task(1, 2, "neg"),
        flat_task(1, 3, "pos"),
        flat_task(2, 1, {"choices": ["pos", "neg"]}),
        flat_task(3, 1, "neg"),
    ]
    path = tmp_path / "project-1.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = read_examples(path)
    assert (found.texts, labels(found)) == (("text 1", "text 3"), ["pos", "neg"])
    assert found.report.tool == "Label Studio"
    assert found.report.left_out == {
        "merged with another row of the same id and text": 2,
        "with several labels": 1,
    }
    with pytest.raises(InputDataError, match="labels in one of the columns: author, sentiment"):
        check([row | {"author": "someone"} for row in rows])


def test_doccano_lists_and_joined_labels() -> None:
    """JSON Lines, CSV, and the exports before 1.0."""
    rows = [{"id": 1, "text": "a", "label": ["pos"], "Comments": []}, {"id": 2, "text": "b", "label": []}]
    assert labels(check([*rows, {"id": 3, "text": "c", "label": ["pos", "neg"]}])) == ["pos"]
    joined = check(
        [
            {"id": "1", "text": "a", "label": "pos", "Comments": ""},
            {"text": "b", "label": "neg#pos", "Comments": ""},
        ]
    )
    assert joined.report.left_out == {"with several labels": 1}
    assert joined.report.tool == "doccano"
    assert labels(check([{"text": "a", "labels": ["pos"]}, {"text": "b", "labels": ["neg"]}])) == ["pos", "neg"]
    old = [
        {"text": "a", "annotations": [{"label": 2, "user": 1}, {"label": 2, "user": 2}, {"label": 3, "user": 3}]}
    ]
    assert labels(check(old)) == ["2"]
    spans = [{"text": "a", "annotations": [{"label": 2, "user": 1, "start_offset": 0, "end_offset": 1}]}]
    assert labels(check(old + spans)) == ["2"]


def test_prodigy_counts_accepted_answers_only() -> None:
    """Of a label to accept or reject, and of a choice among options; annotators share a hash."""
    rows = [
        {"text": "a", "label": "POS", "answer": "accept"},
        {"text": "b", "label": "POS", "answer": "reject"},
        {"text": "c", "label": "NEG", "answer": "ignore"},
        {"text": "d", "label": "NEG", "answer": "accept"},
    ]
    found = check(rows)
    assert (found.texts, labels(found)) == (("a", "d"), ["POS", "NEG"])
    assert found.report.left_out == {"with the answer reject": 1, "with the answer ignore": 1}
    options = [{"id": "pos"}, {"id": "neg"}]
    choices = [
        {"text": "a", "_input_hash": 7, "options": options, "accept": ["pos"], "answer": "accept"},
        {"text": "a", "_input_hash": 7, "options": options, "accept": ["pos"], "answer": "accept"},
        {"text": "a", "_input_hash": 7, "options": options, "accept": ["neg"], "answer": "accept"},
        {"text": "b", "_input_hash": 8, "options": options, "accept": [], "answer": "accept", "label": "Q"},
    ]
    assert labels(check(choices)) == labels(check(choices, label="accept")) == ["pos"]


def test_an_answer_of_other_data_is_no_answer_of_prodigy() -> None:
    """Question answering has a column of this name too."""
    rows = [{"text": "a", "label": "x", "answer": "accept"}, {"text": "b", "label": "y", "answer": "Paris"}]
    found = check(rows)
    assert (len(found), found.report.tool) == (2, None)


def response(value: object, status: str = "submitted") -> dict[str, Any]:
    """One response of Argilla."""
    return {"value": value, "user_id": "u", "status": status}


def record(number: int, *responses: dict[str, Any], question: str = "label") -> dict[str, Any]:
    """One record of Argilla 2, as `to_json` writes it."""
    suggestions = {question: {"value": "neg", "score": 0.9, "agent": "model"}}
    return {
        "id": f"r{number}",
        "status": "completed",
        "fields": {"text": f"text {number}"},
        "metadata": {},
        "suggestions": suggestions,
        "responses": {question: list(responses)} if responses else {},
    }


def test_argilla_counts_submitted_responses() -> None:
    """Drafts, discarded responses and suggestions of a model are no labels."""
    found = check(
        [
            record(1, response("pos"), response("pos"), response("neg")),
            record(2, response("pos", "draft")),
            record(3),
            record(4, response("neg")),
        ]
    )
    assert (found.texts, labels(found), found.ids) == (("text 1", "text 4"), ["pos", "neg"], ("r1", "r4"))
    assert found.report.left_out == {"skipped by the annotators": 1, "without a response": 1}
    with pytest.raises(InputDataError, match="with the questions: mood, topic; choose with --label-column"):
        check([record(1, response("x"), question="mood"), record(2, response("x"), question="topic")])


def test_argilla_flat_records_and_version_1() -> None:
    """As `to_datasets` of version 2, and feedback and text classification of version 1."""
    flat: dict[str, Any] = {"id": "1", "text": "a", "mood.responses.users": ["u", "v"], "mood.suggestion": "neg"}
    flat |= {"mood.responses": ["pos", "neg"], "mood.responses.status": ["submitted", "discarded"]}
    assert labels(check([flat, {"id": "2", "text": "b"}])) == ["pos"]
    in_ticks = {f"`{name}`" if "." in name else name: value for name, value in flat.items()}  # names as in paths
    assert labels(check([in_ticks, {"id": "2", "text": "b"}])) == ["pos"]
    feedback: list[dict[str, Any]] = [
        {"text": "a", "mood": [response("pos")], "mood-suggestion": "neg"},
        {"text": "b", "mood": {"value": ["neg"], "status": ["submitted"]}, "mood-suggestion": "neg"},
    ]
    assert labels(check(feedback)) == ["pos", "neg"]
    classified: list[dict[str, Any]] = [
        {"text": "a", "annotation": "pos", "annotation_agent": "x", "status": "Validated"},
        {"text": "b", "annotation": ["neg"], "annotation_agent": "x", "status": "Validated"},
        {"text": "c", "annotation": "neg", "annotation_agent": "x", "status": "Discarded"},
        {"text": "d", "annotation": None, "annotation_agent": None, "status": "Default"},
    ]
    assert labels(check(classified)) == ["pos", "neg"]


def test_columns_with_json_in_strings_are_exports_too() -> None:
    """A CSV or a Parquet file has the nested parts as strings."""
    rows = [task(1, annotation("pos")), task(2, annotation("neg"))]
    texts = [
        row | {"data": json.dumps(row["data"]), "annotations": json.dumps(row["annotations"])} for row in rows
    ]
    assert labels(check(texts)) == ["pos", "neg"]
