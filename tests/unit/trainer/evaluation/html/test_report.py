"""The HTML report: well-formed, without requests and scripts, and every foreign text is only text."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from shared.errors import InputDataError
from shared.terminal import escaped
from tests.unit.trainer.evaluation.html.pages import HTML, facts, parse
from trainer.evaluation.html.blocks import Table
from trainer.evaluation.html.folder import without_texts
from trainer.evaluation.html.page import render
from trainer.evaluation.html.report import report_page
from trainer.evaluation.html.sections.behaviour import behaviour
from trainer.evaluation.html.sections.comparison import comparison
from trainer.evaluation.html.sections.inspection import inspection

if TYPE_CHECKING:
    from pathlib import Path

ELEMENTS: Final = re.compile(
    "html|head|meta|link|title|style|body|header|h1|h2|p|nav|ul|li|a|main|section|div|dl|dt|dd|small|table|caption|"
    "thead|tbody|tr|th|td|figure|figcaption|strong|details|summary|pre|code|svg|path|line|circle|rect|text"
)
"""All that a page may have: no script, no image, no frame."""
ATTRIBUTES: Final = re.compile(
    "lang|charset|name|content|http-equiv|rel|href|id|aria-hidden|aria-label|aria-labelledby|role|tabindex|scope|class|style|"
    "focusable|viewBox|d|x|y|x1|y1|x2|y2|cx|cy|r|width|height|text-anchor|transform"
)
HOSTILE: Final = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></title></svg><a href='http://evil.example/'>x</a>",
    "{{ 7 * 7 }}{% raw %}",
    "<!-- ]]> &lt; &#x41;",
    "\x00\x0b\x1b[31m\ud800\u202e\u2066 javascript:alert(1)",
)
NAMES: Final = (
    *("models", "statistics", "accuracy", "value", "name", "capabilities", "tests", "cases", "interval", "drift"),
    *("windows", "shares", "label_errors", "listed", "row", "overlaps", "scripts", "rows", "lengths", "exact"),
)
FACTS: Final = facts(("a", "b"))
anything = st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1, max_size=30))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(HOSTILE[0], [HOSTILE[1], HOSTILE[2]])
@example(HOSTILE[5], [HOSTILE[3], HOSTILE[4]])
@given(anything, st.lists(anything, min_size=2, max_size=4, unique=True))
def test_hostile_names_labels_ids_and_texts_are_only_text(hostile: str, labels: list[str]) -> None:
    """A page of them parses without a fault, has no element, attribute or link of theirs, and shows them."""
    labels = [label.encode("utf-8", "replace").decode() for label in labels]  # the manifest has no lone surrogates
    assume(len(set(labels)) == len(labels))
    page = report_page(facts(labels, hostile=hostile, texts=hostile))
    tree = parse(page)
    cells = {"".join(cell.itertext()) for cell in tree.iter(f"{HTML}td")}
    assert escaped(hostile) in cells
    anchors = {f"#{element.get('id')}" for element in tree.iter() if element.get("id")}
    for element in tree.iter():
        if isinstance(element.tag, str):  # a comment has a function
            assert ELEMENTS.fullmatch(element.tag.rpartition("}")[2])
        assert all(ATTRIBUTES.fullmatch(name) for name in element.attrib)
        assert element.get("href") in {*anchors, "data:,", None}


def test_nothing_is_requested_from_elsewhere() -> None:
    """The style has no address, and the policy of the page forbids every request."""
    tree = parse(report_page(facts(("bad", "good"))))
    style = tree.find(f".//{HTML}style")
    assert style is not None
    assert not re.search(r"url\(|@import|http", style.text or "")
    policy = next(one for one in tree.iter(f"{HTML}meta") if one.get("http-equiv"))
    assert "default-src 'none'" in (policy.get("content") or "")


def test_the_same_facts_give_the_same_bytes() -> None:
    """No time, no random name."""
    assert report_page(facts(("bad", "good"))) == report_page(facts(("bad", "good")))


def test_texts_are_shown_only_if_they_are_given() -> None:
    """Without them the ids are there."""
    labels = ("negative", "neutral", "positive")
    assert "the text of a user" not in report_page(facts(labels, hostile="id-"))
    page = report_page(facts(labels, hostile="id-", texts="the text of a user"))
    assert "the text of a user" in page
    assert "id-1" in page


@pytest.mark.parametrize(
    "section",
    ["summary", "data", "inspection", "quality", "calibration", "roc", "slices", "errors", "comparison",
     "behaviour", "learning", "recipe", "environment"],
)  # fmt: skip
def test_every_section_is_there_and_in_the_contents(section: str) -> None:
    """With a heading that names it."""
    tree = parse(report_page(facts(("negative", "positive"))))
    assert [one.get("id") for one in tree.iter(f"{HTML}section")].count(section) == 1
    assert f"#{section}" in [one.get("href") for one in tree.iter(f"{HTML}a")]


def test_charts_and_tables_can_be_read_without_seeing_them() -> None:
    """Charts have a description and axes with labels; tables have captions and headings with a scope."""
    tree = parse(report_page(facts(("negative", "neutral", "positive"))))
    charts = list(tree.iter("{http://www.w3.org/2000/svg}svg"))
    assert len(charts) >= 8
    assert all(chart.get("role") == "img" and chart.get("aria-label") for chart in charts)
    for table in tree.iter(f"{HTML}table"):
        assert table.get("aria-label")
        assert all(heading.get("scope") for heading in table.iter(f"{HTML}th"))


def test_doubts_about_the_model_come_before_its_figures() -> None:
    """A model at chance level is not overlooked."""
    found = facts(("negative", "positive"))
    assert found.report.training is not None
    doubted = found.report.training.model_copy(update={"notes": ["The model is at chance level."]})
    report = found.report.model_copy(update={"training": doubted})
    page = report_page(replace(found, report=report))
    assert page.count("at chance level") == 1
    assert page.index("at chance level") < page.index("Accuracy")


def test_findings_in_the_data_have_words_and_units() -> None:
    """As on the terminal; a sample is called one."""
    scope = {"rows": 50, "of": 200}
    lengths = {"unit": "tokens", "base": "tiny", "median": 9, "p95": 30, "window": 128, "over_window": 5}
    found = {
        "classes": {"rows": {"bad": 30, "good": 90}, "by_part": {"test": {"bad": 1, "good": 3}}},
        "lengths": {**lengths, "with_unknown": 0, "scope": scope},
        "near": {"groups": 2, "rows": 3, "conflicting_groups": 1, "scope": scope},
    }
    section = inspection(replace(FACTS, inspection=found))
    assert section is not None
    tables = {one.caption: one for one in section.blocks if isinstance(one, Table)}
    assert tables["Rows by label"].rows[0] == ("bad", "30", "25.0%", "25.0%")
    sample = "of a random sample of 50 of 200 rows"
    assert ("rows that are longer", "5 (10.0%)") in tables[f"Lengths in tokens of tiny, {sample}"].rows
    assert ("texts with several labels", "1") in tables[f"Near-duplicates, {sample}"].rows


def test_each_behaviour_test_has_its_rate_and_interval_in_percent() -> None:
    """Of the cases that it has."""
    tests = {"not + positive": {"cases": 10, "failures": 10}, "odd": {"cases": 1, "failures": 2}}
    one = {"cases": 20, "failures": 10, "tests": tests}
    section = behaviour(replace(FACTS, metrics={"behaviour": {"capabilities": {"negation": one}}}))
    assert section is not None
    rows = [row for table in section.blocks if isinstance(table, Table) for row in table.rows]
    assert [row[-1] for row in rows] == ["29.9% to 70.1%", "72.2% to 100.0%", "-"]


def test_a_comparison_has_the_paired_difference_to_the_best() -> None:
    """With its sign; the best is first and has none."""
    behind = {"macro_recall": {"value": -0.1, "low": -0.2, "high": 0.01}}
    models = [
        {
            "name": name,
            "statistics": {"macro_recall": {"value": value, "low": 0.4, "high": 0.7}},
            "behind_best": behind,
        }
        for name, value in (("nb", 0.5), ("svm", 0.6))
    ]
    found = {"rows": 60, "chosen_by": "macro_recall", "best": "svm", "models": models}
    section = comparison(replace(FACTS, comparison=found))
    assert section is not None
    (table,) = (one for one in section.blocks if isinstance(one, Table))
    assert table.columns[:3] == ("model", "macro recall", "macro recall less svm's")
    assert [row[2] for row in table.rows] == ["-", "-0.100 (-0.200 to +0.010)"]


def test_many_labels_are_all_in_the_tables() -> None:
    """The charts show eight, the tables all twenty."""
    labels = [f"label-{number:02}" for number in range(20)]
    page = report_page(facts(labels))
    parse(page)
    assert "The charts show 8 of 20 labels." in page
    assert all(page.count(f">{label}<") >= 3 for label in labels)


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff", b"{", b"[" * 100_000, b'"text"'])
def test_a_result_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    """With one line that names the file."""
    file = tmp_path / "x.json"
    file.write_bytes(content)
    with pytest.raises(InputDataError, match="is not a result of compare or inspect"):
        without_texts(file)


def test_a_result_comes_into_the_folder_without_texts(tmp_path: Path) -> None:
    """Whatever the depth at which they are."""
    file = tmp_path / "x.json"
    file.write_text('{"listed": [{"row": {"id": "7", "text": "secret"}}], "texts": ["secret"]}', encoding="utf-8")
    assert json.loads(without_texts(file)) == {"listed": [{"row": {"id": "7"}}]}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    )
)
def test_parts_of_another_shape_break_no_page(tree: Any) -> None:
    """What other commands wrote is shown as far as it is understood."""
    others = tree if isinstance(tree, dict) else {"models": tree, "drift": tree, "label_errors": tree}
    found = replace(FACTS, metrics={"behaviour": tree}, comparison=others, inspection=others)
    render("m", "", [section for make in (comparison, inspection, behaviour) if (section := make(found))])
