"""Made-up facts for reports, and a parser that reads a page as a browser does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import html5lib
import numpy as np

from shared.inference.postprocessing import Postprocessing, softmax
from shared.model_folder.manifest import Base, Manifest, TrainingData
from trainer.data.examples import Examples
from trainer.evaluation.diagnostics.diagnose import diagnose
from trainer.evaluation.diagnostics.stored import plain_id
from trainer.evaluation.html.facts import Facts
from trainer.evaluation.metrics import figures
from trainer.evaluation.report import TEST, Evaluation, Report, TrainingReport

if TYPE_CHECKING:
    from collections.abc import Sequence
    from xml.etree import ElementTree as ET

    from trainer.evaluation.diagnostics.stored import Diagnostics

HTML: Final = "{http://www.w3.org/1999/xhtml}"
ROWS: Final = 60


def parse(page: str) -> ET.Element:
    """The tree that a browser builds; raises html5lib's ParseError for a page that is not well-formed."""
    tree: ET.Element = html5lib.HTMLParser(tree=html5lib.getTreeBuilder("etree"), strict=True).parse(page)
    return tree


def facts(labels: Sequence[str], *, name: str = "m", hostile: str = "x", texts: str | None = None) -> Facts:
    """A model with random answers to 60 rows, so that every label has rows; `hostile` is in every free text."""
    plain = hostile.encode("utf-8", "replace").decode()  # the readable files have no lone surrogates
    chance = np.random.default_rng(0)
    gold = np.arange(ROWS) % len(labels)
    logits = chance.normal(size=(ROWS, len(labels))) + 2 * np.eye(len(labels))[gold]
    examples = Examples(
        texts=tuple(f"{'word ' * (row % 9)}{hostile}" for row in range(ROWS)),
        labels=gold,
        label_names=tuple(labels),
        ids=tuple(f"{hostile}{row}" for row in range(ROWS)),
        source=plain,
        created_at=np.arange(ROWS) * 86_400_000,
    )
    history = [
        Evaluation(
            step=step, epoch=step / 2, training_loss=1 / step, validation_loss=1.0, macro_recall=0.5, macro_f1=0.4
        )
        for step in (1, 2, 3)
    ]
    report = Report(
        training=TrainingReport(
            rows={"train": 100, "test": ROWS},
            order="time",
            left_out={plain: 3},
            seconds=1.0,
            best_step=2,
            engine=plain,
            history=history,
        ),
        evaluations={TEST: figures(logits, gold, labels, Postprocessing(temperature=1.5))},
    )
    manifest = Manifest(
        name=name,
        labels=tuple(labels),
        max_tokens=64,
        class_priors=dict.fromkeys(labels, 1 / len(labels)),
        base=Base(name=plain or "b", revision="r"),
        data=TrainingData(source=plain, rows=1, fingerprint="f"),
        training={"label_map": plain},
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    behaviour = {
        "cases": 10,
        "failures": 2,
        "interval": [0.1, 0.4],
        "tests": {hostile: {"cases": 10, "failures": 2}},
    }
    metrics: dict[str, Any] = {
        **report.model_dump(mode="json"),
        "behaviour": {"capabilities": {hostile: behaviour}},
    }
    estimate = {"value": 0.5, "low": 0.4, "high": 0.6}
    comparison = {"rows": 60, "models": [{"name": hostile, "statistics": {"accuracy": estimate}, "train_s": 3.0}]}
    windows = [{"first": "2026-01-01T00:00:00Z", "last": hostile, "rows": 3, "shares": {hostile: 0.5}}] * 3
    inspection = {
        "data": hostile,
        "rows": 60,
        "scripts": {"rows": {hostile: 3}},
        "lengths": {"unit": hostile, "median": 3},
        "overlaps": [{"part": hostile, "other": "test", "exact": 1, "near": 2}],
        "label_errors": {"rows": 1, "listed": [{"row": {"id": hostile, "label": hostile}, "suggested": hostile}]},
        "drift": {"windows": windows},
    }
    found = diagnosed(examples, logits)
    shown = None if texts is None else dict.fromkeys(map(plain_id, examples.ids), texts)
    return Facts(manifest, "abc", report, metrics, found, comparison, inspection, shown)


def diagnosed(examples: Examples, logits: np.ndarray[Any, Any]) -> Diagnostics:
    """The diagnostics of some logits, with a temperature of 1.5."""
    return diagnose(
        examples,
        before=softmax(logits),
        after=softmax(logits / 1.5),
        predicted=logits.argmax(axis=1),
        command=f"sentiment-trainer train --data {examples.source}",
    )
