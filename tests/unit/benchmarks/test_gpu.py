"""The GPU benchmark runs from end to end without a GPU, so that it will run on a machine that has one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import structlog
import torch
from transformers import AutoConfig

from benchmarks import measure
from benchmarks.gpu import __main__ as gpu
from benchmarks.roofline import flops
from tests.support.tiny import tiny_model_of, vocabulary

if TYPE_CHECKING:
    from pathlib import Path


def test_the_benchmark_measures_every_way_and_finds_that_all_agree(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    """On the CPU, in seconds, into a file that says so."""
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    request.addfinalizer(structlog.reset_defaults)  # the benchmark configures the log of the whole process
    threads = torch.get_num_threads()
    request.addfinalizer(lambda: torch.set_num_threads(threads))
    torch.set_num_threads(1)  # tiny operations wait for each other's threads longer than they compute
    words = [word for word in vocabulary() if word.isalpha() and len(word) > 1]
    texts = [" ".join(words[start : start + 1 + start % 40]) for start in range(100)]
    (tmp_path / "words.txt").write_text("\n".join(texts), encoding="utf-8")
    model = str(tiny_model_of(tmp_path / "model", "bert", max_tokens=32))
    sizes = ["--messages", "96", "--batch-tokens", "512", "--rounds", "2", "--seconds", "0.01"]
    named = ["--model", model, "--texts", f"words={tmp_path / 'words.txt'}"]
    assert gpu.main(["--device", "cpu", *named, *sizes]) == 0
    written = json.loads((tmp_path / "gpu-selftest.json").read_text(encoding="utf-8"))
    (measured,) = written["figures"].values()
    assert measured["excluded"] == {}
    engines = measured["texts"]["words"]["engines"]
    assert {"padded, fp32", "varlen", "rows, graphs", "chosen at start-up"} <= engines.keys()
    for row in engines.values():
        assert row["agrees"]
        assert row["same_label"] == 1
        assert row["messages_per_s"]["median"] > 0
        assert 0 < row["of_ceiling"] < 1
    assert engines["varlen"]["filled"] == 1
    assert engines["rows, graphs"]["filled"] < 1
    assert measured["texts"]["words"]["texts to scores"]["chosen at start-up"]["messages_per_s"]["median"] > 0
    assert "gpu-selftest.json" in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """It also exits with the code of a usage error."""
    assert gpu.main([]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_operations_are_counted_as_by_hand() -> None:
    """BERT-base: 170.8 million for each token of a text of 25 tokens, 0.9 of them for the attention."""
    assert flops(AutoConfig.for_model("bert"), [25, 25]) / 50 == pytest.approx(170.8e6, rel=1e-3)
    assert flops(AutoConfig.for_model("distilbert"), [25]) / 25 == pytest.approx(85.4e6, rel=1e-3)
