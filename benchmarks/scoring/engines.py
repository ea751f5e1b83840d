"""Texts a second of this project's scorer and of other engines, and how similar their answers are.

No Kafka. The same model, the same tweets and long reviews, all in one process, in turn. Answers are compared
with those of one text at a time in fp32, after the calibration of the model folder.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog
from transformers.utils import logging as transformers_logging

from benchmarks.common.measure import arguments, chosen, interleaved, rates, write
from benchmarks.common.models import long_model
from benchmarks.common.programs import bare
from benchmarks.common.texts import distinct, of_file, reviews, tweets
from benchmarks.scoring import engine_peers as peers
from shared.errors import SentimentError
from shared.inference.postprocessing import Postprocessing
from shared.inference.types import Score
from shared.model_folder.artifact import open_artifact
from shared.text import normalise

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from shared.inference.engines.select import Precision

PRECISIONS: Final[tuple[Precision, ...]] = ("auto", "fp32", "bf16", "int8")
LEAST_ALIKE: Final = 0.95
"""Share of equal labels below which an engine must be set up wrongly; int8 has 0.99."""
PEER: Final = "Hugging Face pipeline, batch 32"


def main() -> None:
    """Measures, prints the figures and writes them as JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--tweets", type=int, default=2_048)
    parser.add_argument("--reviews", type=int, default=192)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    quiet: Any = transformers_logging  # this module is untyped
    quiet.disable_progress_bar()
    quiet.set_verbosity_error()
    if options.quick:
        options.tweets, options.reviews = 96, 16
    corpora = {
        "tweets": (options.model, distinct(of_file(options.texts) if options.texts else tweets(), options.tweets)),
    }
    if not options.texts:
        corpora["reviews"] = (long_model(options.model), distinct(reviews(), options.reviews))
    figures = {name: _compare(name, *corpus, options) for name, corpus in corpora.items()}
    write("engines", figures, options)


def _compare(name: str, model: Path, raw: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    artifact = open_artifact(model)
    texts = [normalise(text, artifact.manifest.normaliser.options) for text in raw]
    ours: dict[str, str] = {}
    engines, left_out = _load(model, options.only, ours)
    print(f"{name}: {len(texts)} texts")
    measured = interleaved(
        {engine: partial(_rate, predict, texts) for engine, predict in engines.items()},
        options.rounds,
        "{:,.0f} texts a second",
    )
    postprocessing = Postprocessing.of(artifact.manifest)
    reference = postprocessing.probabilities(np.log(peers.one_at_a_time(model)(texts).astype(np.float64)))
    figures = rates(measured, peer=PEER)
    for engine, predict in engines.items():
        answers = predict(texts)
        if not engine.startswith("ours"):
            answers = postprocessing.probabilities(np.log(answers.astype(np.float64)))
        figures[engine] |= _likeness(answers, reference, postprocessing)
        if figures[engine]["same_label"] < LEAST_ALIKE:
            raise AssertionError(f"{engine} is not the same model: {figures[engine]}")
    about = {"texts": len(texts), "model": artifact.manifest.name, "ours": ours, "left_out": left_out}
    return {**about, "engines": figures}


def _load(
    model: Path, only: str, ours: dict[str, str]
) -> tuple[dict[str, Callable[[Sequence[str]], Any]], dict[str, str]]:
    """Loads the engines; returns them by name, and why others are left out; `ours` gets our engines' names."""
    makers: dict[str, Callable[[], Callable[[Sequence[str]], Any]]] = {
        "Hugging Face pipeline, batch 1": lambda: peers.pipeline(model, 1),
        PEER: lambda: peers.pipeline(model, peers.BATCH),
        "torch, sorted, batch 32": lambda: peers.torch_sorted(model),
        "ONNX Runtime fp32": lambda: peers.onnx_runtime(model, int8=False),
        "ONNX Runtime int8": lambda: peers.onnx_runtime(model, int8=True),
        "OpenVINO, converted": lambda: peers.openvino_converted(model),
        **{f"ours, {precision}": partial(_ours, model, precision, ours) for precision in PRECISIONS},
    }
    engines, left_out = {}, {}
    for name, make in chosen(makers, only, always=[PEER]).items():
        try:
            engines[name] = make()
        except SentimentError as reason:
            print(f"  {name} is left out: {reason}")
            left_out[name] = str(reason).replace(str(model), model.name)
    return engines, left_out


def _ours(model: Path, precision: Precision, ours: dict[str, str]) -> Callable[[Sequence[str]], Any]:
    score, ours[precision] = bare(model, precision)
    return lambda texts: np.array([answer.probabilities for answer in score(texts) if isinstance(answer, Score)])


def _rate(predict: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    began = time.perf_counter()
    predict(texts)
    return len(texts) / (time.perf_counter() - began)


def _likeness(answers: Any, reference: Any, postprocessing: Postprocessing) -> dict[str, float]:
    difference = np.abs(answers - reference)
    return {
        "same_label": round(float((postprocessing.decide(answers) == postprocessing.decide(reference)).mean()), 5),
        "max_difference": round(float(difference.max()), 6),
        "mean_difference": round(float(difference.mean()), 6),
    }


if __name__ == "__main__":
    main()
