"""Whether the engine for CUDA is correct on this GPU, and how fast it is.

    python -m benchmarks.gpu

For each model, kind of text and size of a pass: the engine that serves against padded batches in fp32 and in 16
bits; then texts to scores, tokenizer included, with as many texts in flight as the consumer has by default, and
with enough for full passes. Measured in turn, medians of the rounds after a discarded one: messages and tokens a
second, the share of the data sheet's peak (`mfu`) and of a multiplication timed here (`of_ceiling`). Answers are
compared with fp32 first; exit code 1 if some differ or the engine that serves is excluded. Without a GPU it ends
with exit code 2; `--device cpu` runs the same code with the stand-ins of the tests, to test the benchmark, not a
machine. Needs the model and the tweets of `make demo`, or `--model`, `--tokenizer` and `--texts`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow.parquet as pq
import structlog
import torch
from transformers import AutoConfig

from benchmarks.common.measure import interleaved, rates, write
from benchmarks.common.models import BERT_BASE, bert_base
from benchmarks.common.roofline import flops, matmul_ceiling, nominal_peak
from benchmarks.gpu.contenders import HalfPadded, OverRows, OverTexts
from consumer.settings import Limits
from shared.errors import ScorerError
from shared.inference.engines.torch.cuda import cuda
from shared.inference.engines.torch.packed import PackedEngine
from shared.inference.engines.torch.padded import PaddedEngine
from shared.inference.tokenization.rows import TokenRow
from shared.inference.tokenization.tokenise import Tokeniser
from shared.model_folder.artifact import Artifact, open_artifact, seal
from shared.text import normalise

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shared.inference.engines.base import Engine
    from shared.inference.engines.torch.cuda import Hardware

DEMO: Final = Path(".demo/model")
TWEETS: Final = Path(".demo/vader-tweets.parquet")
PEER: Final = "padded, fp32"
SERVING: Final = "varlen"
"""The engine that serves."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints the figures and writes them as JSON; returns the exit code."""
    options = _options(arguments)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        print("no GPU that this PyTorch can use; --device cpu tests the benchmark itself", file=sys.stderr)
        return 2
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("info"))
    device = torch.device(options.device)
    hardware = _hardware(device)
    texts = _texts(options.texts)
    ceiling = matmul_ceiling(device, hardware.dtype, 8_192 if device.type == "cuda" else 256)
    figures: dict[str, Any] = {}
    for model in options.model or [BERT_BASE, str(DEMO)]:
        with tempfile.TemporaryDirectory() as folder:
            artifact = _artifact(model, options, Path(folder) / "model")
            for tokens in options.batch_tokens:
                measured = _measured(_Bench(artifact, hardware, tokens, ceiling, options), texts)
                figures[f"{model}, {tokens} tokens a pass"] = measured
    write(
        "gpu" if device.type == "cuda" else "gpu-selftest",
        figures,
        options,
        messages=options.messages,
        **_about(device, ceiling),
    )
    kinds = [kind for measured in figures.values() for kind in measured["texts"].values()]
    agree = all(row["agrees"] for kind in kinds for row in kind["engines"].values())
    return 0 if agree and all(SERVING in kind["engines"] for kind in kinds) else 1


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--model", action="append", help=f"a sealed model folder, or {BERT_BASE}; may be repeated")
    parser.add_argument("--weights", help=f"of {BERT_BASE}: a name of the hub or a folder; else they are random")
    parser.add_argument("--tokenizer", type=Path, default=DEMO, help=f"folder with an uncased one for {BERT_BASE}")
    parser.add_argument("--texts", action="append", metavar="NAME=FILE", help="one text a line; may be repeated")
    parser.add_argument("--messages", type=int, default=8_192, help="texts of a window, planned together")
    parser.add_argument("--batch-tokens", type=int, nargs="+", default=[16_384, 32_768, 65_536])
    parser.add_argument("--rounds", type=int, default=3)
    parser.set_defaults(quick=False)
    parser.add_argument("--seconds", type=float, default=1.0, help="approximate length of one measurement")
    return parser.parse_args(arguments)


def _hardware(device: torch.device) -> Hardware:
    """The GPU, in fp16 where it has no bf16; or the stand-ins of the tests."""
    if device.type != "cuda":
        from tests.support.packed import processor  # noqa: PLC0415 - only this dry run needs it

        return processor()
    found = cuda(device)
    return found if torch.cuda.get_device_capability(device) >= (8, 0) else replace(found, dtype=torch.float16)


def _measured(bench: _Bench, texts: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Everything for one model and size; the engines end with it, so that their memory is free afterwards."""
    return {"texts": {name: bench.measure(some) for name, some in texts.items()}, "excluded": bench.excluded}


class _Bench:
    """All engines for one model and one size of a pass, and their measurements."""

    def __init__(
        self, artifact: Artifact, hardware: Hardware, tokens: int, ceiling: float, options: argparse.Namespace
    ) -> None:
        self.excluded: dict[str, str] = {}
        self._artifact, self._hardware, self._tokens, self._ceiling = artifact, hardware, tokens, ceiling
        self._options = options
        self._config = AutoConfig.from_pretrained(artifact.path)
        self._engines: dict[str, Engine] = {
            PEER: PaddedEngine(artifact, hardware.device),
            "padded, 16 bits": HalfPadded(artifact, hardware, tokens),
        }
        try:
            self._engines[SERVING] = PackedEngine(artifact, hardware, tokens)
        except ScorerError as error:
            self.excluded[SERVING] = str(error)

    def measure(self, texts: Sequence[str]) -> dict[str, Any]:
        """For one kind of text: its lengths, all engines, and texts to scores."""
        options = self._options
        texts = list(islice(cycle(texts), options.messages))
        normalised = [normalise(text, self._artifact.manifest.normaliser.options) for text in texts]
        rows = [row.ids for row in Tokeniser.load(self._artifact).rows(normalised) if isinstance(row, TokenRow)]
        lengths = np.array([len(row) for row in rows])
        engines = {
            name: OverRows(engine, rows, self._tokens, options.seconds) for name, engine in self._engines.items()
        }
        checked = self._checked(engines)
        measured = interleaved({name: one.rate for name, one in engines.items()}, options.rounds)
        full = int(2 * PackedEngine.concurrency * self._tokens / lengths.mean()) + 1
        in_flight = {"as the consumer has by default": Limits().most_in_hand, "for full passes": full}
        speeds = rates(measured, PEER)
        return {
            "tokens": {
                "mean": round(lengths.mean(), 1),
                "median": int(np.median(lengths)),
                "max": int(lengths.max()),
            },
            "engines": {
                name: row | self._shares(row["messages_per_s"]["median"], lengths) | checked[name]
                for name, row in speeds.items()
            },
            "fastest": max(
                (name for name in speeds if checked[name]["agrees"]),
                key=lambda name: speeds[name]["messages_per_s"]["median"],
            ),
            "texts to scores": {
                f"{waiting} in flight, {why}": self._scored(texts, waiting) for why, waiting in in_flight.items()
            },
        }

    def _scored(self, texts: Sequence[str], waiting: int) -> dict[str, Any]:
        """Texts a second through the consumer's own scheduler."""
        rate: dict[str, Callable[[], float]] = {
            name: OverTexts(
                self._artifact, self._engines[name], texts, self._tokens, waiting, self._options.seconds
            ).rate
            for name in (PEER, SERVING)
            if name in self._engines
        }
        return rates(interleaved(rate, self._options.rounds), PEER)

    def _checked(self, engines: Mapping[str, OverRows]) -> dict[str, dict[str, Any]]:
        """Compares the answers to real texts with those in fp32; the peer is the first."""
        expected, _ = engines[PEER].answers()
        allowed = self._hardware.tolerance * max(1.0, float(np.abs(expected).max()))
        found = {}
        for name, engine in engines.items():
            logits, computed = engine.answers()
            difference = float(np.abs(logits - expected).max())
            found[name] = {
                "engine": engine.engine.name,
                "largest_difference": round(difference, 6),
                "agrees": bool(difference <= allowed),
                "same_label": round(float((logits.argmax(1) == expected.argmax(1)).mean()), 5),
                "filled": round(sum(map(len, engine.rows)) / computed, 4),
                "alone_ms": round(engine.alone_ms(), 3),
            }
        return found

    def _shares(self, messages_per_s: float, lengths: Any) -> dict[str, Any]:
        reached = messages_per_s * flops(self._config, lengths) / len(lengths)
        peak = nominal_peak(self._hardware.device)
        return {
            "tokens_per_s": round(messages_per_s * float(lengths.mean())),
            "mfu": round(reached / peak, 4) if peak else None,
            "of_ceiling": round(reached / self._ceiling, 4),
        }


def _artifact(model: str, options: argparse.Namespace, folder: Path) -> Artifact:
    """A copy of the model that reads up to its number of positions, so that long texts stay long."""
    if model == BERT_BASE:
        return bert_base(folder, options.tokenizer, options.weights)
    shutil.copytree(model, folder)
    own = open_artifact(folder).manifest
    config = AutoConfig.from_pretrained(folder)
    longest = config.max_position_embeddings - (2 if "roberta" in config.model_type else 0)
    return seal(folder, own.model_copy(update={"max_tokens": longest}))


def _texts(named: Sequence[str] | None) -> dict[str, list[str]]:
    """The texts of the files; else the demo's tweets, and groups of ten joined, which are as long as reviews."""
    if named:
        files = (one.partition("=") for one in named)
        return {name: Path(file).read_text(encoding="utf-8").splitlines() for name, _, file in files}
    tweets = pq.read_table(TWEETS, columns=["text"]).column("text").to_pylist()
    joined = [" ".join(tweets[start : start + 10]) for start in range(len(tweets) - 9)]
    return {"tweets": tweets, "ten tweets in one": joined}


def _about(device: torch.device, ceiling: float) -> dict[str, Any]:
    about: dict[str, Any] = {"device": str(device), "matmul_ceiling_tflops": round(ceiling / 1e12, 3)}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        about |= {
            "gpu": properties.name,
            "memory_gib": round(properties.total_memory / 2**30, 1),
            "capability": f"{properties.major}.{properties.minor}",
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),  # type: ignore[no-untyped-call]
            "nominal_peak_tflops": (nominal_peak(device) or 0) / 1e12 or None,
        }
    return about


if __name__ == "__main__":
    sys.exit(main())
