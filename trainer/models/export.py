"""Adds an int8 graph for CPUs to a sealed model folder, if its answers agree with the model's.

The rows are those of the training: training rows set the ranges of the activations, and the comparison uses rows
that the weights were not fitted to. If int8 loses too much, the folder does not change.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import numpy as np
import structlog

from shared.errors import ArtifactError, InputDataError
from shared.inference.engines.openvino.bert_shape import UnknownArchitecture, read_shape
from shared.inference.engines.openvino.int8 import FOLDER, write_int8
from shared.inference.engines.openvino.lean import LeanModel
from shared.inference.engines.openvino.runtime import native_precision
from shared.inference.postprocessing import Postprocessing
from shared.inference.probe.examine import Untrusted, examine
from shared.inference.tokenization.rows import TokenRow
from shared.inference.tokenization.tokenise import Tokeniser
from shared.model_folder.artifact import open_artifact, seal
from shared.model_folder.manifest import Int8
from shared.text import normalise
from trainer.data.parts import PARTS, rows_of_parts
from trainer.data.sample import NOTHING, draw_sample
from trainer.evaluation.metrics import confusion_matrix, macro_recall
from trainer.evaluation.postprocessing.calibration import ece
from trainer.evaluation.report import read_report
from trainer.models.model_folder import publish, recover, replacing
from trainer.models.quantise import quantise, score

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from shared.inference.engines.base import Ids
    from shared.inference.engines.openvino.bert_shape import Shape
    from shared.inference.probe.probe import Precision
    from shared.model_folder.artifact import Artifact
    from trainer.data.examples import Examples, IntArray
    from trainer.settings import TrainerSettings

# Of 600 test rows, one row of a rare label moves macro-recall by 0.003, so they would be too few (decision 13).
HELD_OUT: Final = ("validation", "calibration", "test")
"""Parts for the comparison: no training step fitted the weights to them."""
# If int8 kept 98 % of the labels, 99 % of 300 rows would pass it in 15 of 100 cases; of 100 rows, in 40.
MIN_ROWS: Final = 300
"""Held-out rows that a comparison needs."""
# The demo's MiniLM on 1,095 rows: 99.45 % agreement, 0.0054 more macro-recall, ECE 0.0064 away (decision 13).
MIN_AGREEMENT: Final = 0.99
MAX_RECALL_LOSS: Final = 0.003
MAX_ECE_CHANGE: Final = 0.01

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows to calibrate int8 and to compare it on."""

    calibration: list[Ids]
    held_out: list[Ids]
    gold: IntArray
    """True labels of the held-out rows."""


def export_int8(
    folder: Path,
    examples: Examples,
    settings: TrainerSettings,
    *,
    calibration_rows: int,
    given: Mapping[str, Examples] = NOTHING,
) -> Artifact:
    """Quantises, compares and seals the folder again, replacing an older export; takes a minute or more.

    `examples` are the data that the model was trained on; those of an adopted model may be any, and `settings` say
    how to split them. `given` has the parts that came from files of their own. `calibration_rows` is a number of
    training rows; if there are fewer, all are used. Raises InputDataError for data that the model was not trained
    on, or too few rows, and ArtifactError for a model that cannot be quantised or loses too much.
    """
    folder = folder.resolve()  # a link to the folder must remain a link
    recover(folder)
    artifact = open_artifact(folder)
    manifest = artifact.manifest
    try:
        shape = read_shape(artifact)
    except UnknownArchitecture as unknown:
        raise ArtifactError(f"{folder} cannot be quantised ({unknown}); serve it with precision auto") from None
    if manifest.is_adopted:  # nobody knows what it was trained on
        splits = draw_sample(examples, settings, given).splits
        parts = {name: getattr(splits, name).in_order_of(manifest.labels, whose="the model") for name in PARTS}
    else:
        parts = rows_of_parts(artifact, examples, given)
    rows = _rows(artifact, parts, calibration_rows)
    log.info("quantising", calibration_rows=len(rows.calibration))
    with replacing(folder) as fresh:
        shutil.copytree(folder, fresh, dirs_exist_ok=True, ignore=shutil.ignore_patterns(FOLDER, "*.partial"))
        write_int8(fresh, quantise(artifact, shape, rows.calibration))
        copied = {name: digest for name, digest in manifest.files.items() if not name.startswith(f"{FOLDER}/")}
        # Sealed first, so that the graph is compared as a consumer reads it: from the disk.
        quantised = seal(fresh, manifest, copied)
        found = _compare(quantised, shape, rows)
        judge(found)
        described = quantised.manifest.model_copy(update={"int8": found})
        sealed = publish(fresh, described, read_report(quantised))
    return replace(sealed, path=folder)  # it was sealed under its temporary name


def _rows(artifact: Artifact, parts: Mapping[str, Examples], calibration_rows: int) -> Rows:
    train, held_out = parts["train"], [parts[name] for name in HELD_OUT]
    chosen = np.random.default_rng(0).permutation(len(train))[:calibration_rows]
    kept, scored = _token_ids(artifact, [text for part in held_out for text in part.texts])
    if len(kept) < MIN_ROWS:
        raise InputDataError(
            f"the comparison of int8 needs {MIN_ROWS} held-out rows, and these data have {len(kept)} (validation, "
            "calibration and test); train with more data or larger parts, or stay with precision bf16 or fp32"
        )
    return Rows(
        calibration=_token_ids(artifact, train.take(chosen).texts)[0],
        held_out=kept,
        gold=np.concatenate([part.labels for part in held_out])[scored],
    )


def _token_ids(artifact: Artifact, texts: Sequence[str]) -> tuple[list[Ids], list[int]]:
    """Token ids of the texts that can be tokenised, and the indices of these texts."""
    options = artifact.manifest.normaliser.options
    rows = Tokeniser.load(artifact).rows([normalise(text, options) for text in texts])
    kept = [place for place, row in enumerate(rows) if isinstance(row, TokenRow)]
    return [row.ids for row in rows if isinstance(row, TokenRow)], kept


def _compare(artifact: Artifact, shape: Shape, rows: Rows) -> Int8:
    """Compares the written int8 graph with the fp32 graph on the held-out rows, run as in the consumer."""
    ours, reference = (
        score(_examined(artifact, shape, precision, rows), rows.held_out) for precision in ("int8", "fp32")
    )
    postprocessing = Postprocessing.of(artifact.manifest)
    probabilities = [postprocessing.probabilities(logits) for logits in (ours, reference)]
    largest = [one.argmax(axis=1) for one in probabilities]
    answers, expected = (
        confusion_matrix(rows.gold, postprocessing.decide(one), shape.labels) for one in probabilities
    )
    errors = [ece(one, rows.gold) for one in probabilities]
    return Int8(
        rows=len(rows.gold),
        calibration_rows=len(rows.calibration),
        agreement=float((largest[0] == largest[1]).mean()),
        macro_recall=float(macro_recall(answers)),
        macro_recall_fp32=float(macro_recall(expected)),
        ece=errors[0],
        ece_fp32=errors[1],
        rest=native_precision(),
        libraries={name: version(name) for name in ("openvino", "nncf")},
    )


def _examined(artifact: Artifact, shape: Shape, precision: Precision, rows: Rows) -> LeanModel:
    """A model that avoids the pass shapes with wrong answers on this processor, as in the consumer."""
    model = LeanModel(artifact, shape, precision)
    try:
        examine(model, artifact, lambda: rows.calibration, longest=artifact.manifest.max_tokens, files=None)
    except Untrusted as wrong:
        if precision == "fp32":
            raise ArtifactError(f"{wrong}, so int8 cannot be judged here; export on another machine") from None
        # Wrong in every shape: the cause may equally be the loss of int8 itself, which `judge` measures.
    return model


def judge(found: Int8) -> None:
    """Raises ArtifactError if int8 loses too much against fp32."""
    passed = (
        found.agreement >= MIN_AGREEMENT
        and found.macro_recall_fp32 - found.macro_recall <= MAX_RECALL_LOSS
        and abs(found.ece - found.ece_fp32) <= MAX_ECE_CHANGE
    )
    if not passed:
        raise ArtifactError(
            f"int8 loses too much, so nothing was written. {figures(found)}. Needed are {MIN_AGREEMENT:.0%} of "
            f"the labels, at most {MAX_RECALL_LOSS} less macro-recall and an ECE at most {MAX_ECE_CHANGE} away. "
            f"Try more --calibration-rows than {found.calibration_rows:,}, or stay with precision bf16 or fp32"
        )


def figures(found: Int8) -> str:
    """The comparison in one line, for display."""
    return (
        f"On {found.rows:,} held-out rows int8 and fp32 agree on {found.agreement:.2%} of the labels, "
        f"macro-recall {found.macro_recall:.4f} for {found.macro_recall_fp32:.4f}, "
        f"ECE {found.ece:.4f} for {found.ece_fp32:.4f}"
    )
