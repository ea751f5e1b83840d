"""The GPU benchmark runs from end to end without a GPU, so that it will run on a machine that has one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import structlog
import torch
from transformers import AutoConfig

from benchmarks.common import measure
from benchmarks.common.roofline import flops
from benchmarks.gpu import __main__ as gpu
from tests.support.packed import processor, refuses
from tests.support.tiny import tiny_model_of, vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The CPU, a tiny model and few texts; the results go to `tmp_path`."""
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    words = [word for word in vocabulary() if word.isalpha() and len(word) > 1]
    texts = [" ".join(words[start : start + 1 + start % 40]) for start in range(100)]
    (tmp_path / "words.txt").write_text("\n".join(texts), encoding="utf-8")
    model = str(tiny_model_of(tmp_path / "model", "bert", max_tokens=32))
    sizes = ["--messages", "96", "--batch-tokens", "512", "--rounds", "2", "--seconds", "0.01"]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # tiny operations wait for each other's threads longer than they compute
    yield ["--device", "cpu", "--model", model, "--texts", f"words={tmp_path / 'words.txt'}", *sizes]
    torch.set_num_threads(threads)
    structlog.reset_defaults()  # the benchmark configures the log of the whole process


def measured(folder: Path) -> dict[str, Any]:
    """The figures of the one model and size."""
    written = json.loads((folder / "gpu-selftest.json").read_text(encoding="utf-8"))
    (figures,) = written["figures"].values()
    return dict(figures)


def test_the_benchmark_measures_all_engines_and_finds_that_they_agree(
    tmp_path: Path, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """On the CPU, in seconds, into a file that says so; the fastest is named."""
    assert gpu.main(options) == 0
    assert "gpu-selftest.json" in capsys.readouterr().out
    figures = measured(tmp_path)
    assert figures["excluded"] == {}
    words = figures["texts"]["words"]
    engines = words["engines"]
    assert engines.keys() == {"padded, fp32", "padded, 16 bits", "varlen"}
    for row in engines.values():
        assert row["agrees"]
        assert row["same_label"] == 1
        assert row["messages_per_s"]["median"] > 0
        assert 0 < row["of_ceiling"] < 1
    assert engines["varlen"]["filled"] == 1
    assert words["fastest"] == max(engines, key=lambda name: engines[name]["messages_per_s"]["median"])
    assert len(words["texts to scores"]) == 2
    for scored in words["texts to scores"].values():
        assert scored["varlen"]["messages_per_s"]["median"] > 0


def test_an_engine_that_fails_its_check_is_left_out_with_the_reason_and_the_exit_code_tells(
    tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `varlen_attn` does on an old GPU; the padded peers are measured."""
    monkeypatch.setattr(gpu, "_hardware", lambda _: processor(refuses))
    assert gpu.main(options) == 1
    figures = measured(tmp_path)
    assert figures["excluded"].keys() == {"varlen"}
    assert figures["excluded"]["varlen"].endswith("NotImplementedError: no kernel for this device")
    assert figures["texts"]["words"]["engines"]["padded, 16 bits"]["agrees"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """It also exits with the code of a usage error."""
    assert gpu.main([]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_operations_are_counted_as_by_hand() -> None:
    """BERT-base: 170.8 million for each token of a text of 25 tokens, 0.9 of them for the attention."""
    assert flops(AutoConfig.for_model("bert"), [25, 25]) / 50 == pytest.approx(170.8e6, rel=1e-3)
    assert flops(AutoConfig.for_model("distilbert"), [25]) / 25 == pytest.approx(85.4e6, rel=1e-3)
