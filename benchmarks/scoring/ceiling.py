"""How close a model of the size of BERT-base comes to the limit of this CPU, in bfloat16.

The limit is a multiplication of two large matrices, by PyTorch and by OpenVINO, in turn with the model. Its
weights are random, since its speed does not depend on them. Texts to scores, tokenizer included, no Kafka, no
cache.
"""

from __future__ import annotations

import shutil
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog
import torch
from transformers import AutoConfig

from benchmarks.common.measure import WORK, arguments, chosen, interleaved, ratio, spread, write
from benchmarks.common.models import BERT_BASE, bert_base
from benchmarks.common.programs import bare
from benchmarks.common.roofline import flops, lean_flops, matmul_ceiling
from benchmarks.common.texts import distinct, of_file, reviews, tweets
from shared.inference.engines.openvino.runtime import openvino, opset
from shared.inference.tokenization.rows import TokenRow
from shared.inference.tokenization.tokenise import Tokeniser
from shared.text import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shared.model_folder.artifact import Artifact

SIZE: Final = 2_048
"""Size of the matrices; at 4,096 the rate was the same within noise."""
CHAINED: Final = 8
"""Multiplications in OpenVINO's graph, so that reading its input counts for little."""
LIMIT: Final = "multiplication, torch"


def main() -> None:
    """Measures, prints the figures and writes them as JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--tweets", type=int, default=512)
    parser.add_argument("--reviews", type=int, default=48)
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    if options.quick:
        options.tweets, options.reviews = 32, 4
    artifact = _model(options.model)
    score, engine = bare(artifact.path, "bf16")
    corpora = {"tweets": distinct(of_file(options.texts) if options.texts else tweets(), options.tweets)}
    if not options.texts:
        corpora["reviews"] = distinct(reviews(), options.reviews)
    limits: dict[str, Callable[[], float]] = {
        LIMIT: lambda: matmul_ceiling(torch.device("cpu"), torch.bfloat16, SIZE),
        "multiplication, OpenVINO": _chain(),
    }
    runs, work = dict(limits), {}
    for name, raw in corpora.items():
        texts = [normalise(text, artifact.manifest.normaliser.options) for text in raw]
        work[name] = _Work(artifact, texts)
        runs[f"{BERT_BASE}, {name}"] = partial(_rate, partial(score, texts), work[name].nominal)
    measured = interleaved(chosen(runs, options.only, always=[LIMIT]), options.rounds, "{:.4g} FLOP/s")
    figures: dict[str, Any] = {
        name: {"gflops": spread([one / 1e9 for one in own]), "of_torch": ratio(own, measured[LIMIT])}
        for name, own in measured.items()
    }
    for name, one in work.items():
        if (row := figures.get(f"{BERT_BASE}, {name}")) is not None:
            row |= one.about() | {"texts_per_s": round(row["gflops"]["median"] * 1e9 / one.nominal * one.texts, 1)}
    write("ceiling", figures, options, engine=engine, size=SIZE)


class _Work:
    """The operations for a corpus without padding: nominal, with every layer whole, and as computed."""

    def __init__(self, artifact: Artifact, texts: Sequence[str]) -> None:
        config = AutoConfig.from_pretrained(artifact.path)
        rows = [row.ids for row in Tokeniser.load(artifact).rows(texts) if isinstance(row, TokenRow)]
        lengths = [len(row) for row in rows]
        self.texts = len(texts)
        self.nominal = flops(config, lengths)
        self._lean = lean_flops(config, lengths)
        self._tokens = float(np.mean(lengths))

    def about(self) -> dict[str, Any]:
        """The figures for the JSON."""
        return {"tokens": round(self._tokens, 1), "computed": round(self._lean / self.nominal, 4)}


def _model(tokenizer: Any) -> Artifact:
    folder = WORK / BERT_BASE
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    return bert_base(folder, tokenizer)


def _rate(run: Callable[[], object], operations: float) -> float:
    began = time.perf_counter()
    run()
    return operations / (time.perf_counter() - began)


def _chain() -> Callable[[], float]:
    """Multiplies by CHAINED matrices in one graph; FLOP/s."""
    random = np.random.default_rng(0)
    rows = opset.parameter([SIZE, SIZE], np.float32)
    node: Any = rows
    for _ in range(CHAINED):
        node = opset.matmul(node, opset.constant(random.standard_normal((SIZE, SIZE), np.float32)), False, False)
    compiled = openvino.Core().compile_model(
        openvino.Model([node], [rows], "chain"), "CPU", {"INFERENCE_PRECISION_HINT": "bf16"}
    )
    request, given = compiled.create_infer_request(), random.standard_normal((SIZE, SIZE), np.float32)
    return lambda: _rate(lambda: request.infer([given]), CHAINED * 2 * SIZE**3)


if __name__ == "__main__":
    main()
