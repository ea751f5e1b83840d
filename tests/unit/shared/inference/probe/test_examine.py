"""A model on a CPU serves only in pass shapes with verified answers, and the verdict is remembered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from structlog.testing import capture_logs

from shared.errors import SettingsError
from shared.inference.engines.openvino.engine import OpenVinoEngine, load_engine
from shared.inference.engines.openvino.lean import LeanModel
from shared.inference.engines.openvino.runtime import native_precision, opset
from shared.inference.engines.select import load_scorer
from shared.inference.probe import examine as examining
from shared.inference.probe import verdicts
from shared.inference.probe.examine import Untrusted
from shared.model_folder.artifact import Artifact, open_artifact
from tests.support.tiny import tiny_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from shared.inference.engines.base import Ids, Logits

    Wrong = Callable[[LeanModel, int, int], bool]
    """Whether a pass of a model, with this number of rows and width in tokens, gives wrong answers."""

pytestmark = pytest.mark.slow

_RUN_IN: Final = LeanModel.run_in


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A sealed tiny model."""
    return open_artifact(tiny_model(tmp_path_factory.mktemp("tiny") / "model", max_tokens=100))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder for the test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def break_passes(monkeypatch: pytest.MonkeyPatch) -> Callable[[Wrong], None]:
    """Makes some passes wrong as one kernel was: each row is read only to its middle."""

    def install(wrong: Wrong) -> None:
        def run_in(model: LeanModel, rows: Sequence[Ids], width: int) -> Logits:
            read = [row[: (len(row) + 1) // 2] for row in rows] if wrong(model, len(rows), width) else rows
            return _RUN_IN(model, read, width)

        monkeypatch.setattr(LeanModel, "run_in", run_in)

    return install


def row(tokens: int) -> Ids:
    """Any tokens."""
    return np.random.default_rng(tokens).integers(5, 100, tokens).astype(np.int32)


def events(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    """By name."""
    return [line["event"] for line in lines]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_right_engine_is_probed_once_and_avoids_nothing(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    """Given a correct engine, when loaded twice, then it is probed once and no shape is avoided."""
    if precision == "bf16" and native_precision() != "bf16":
        pytest.skip("this CPU has no bf16")
    with capture_logs() as lines:
        load_engine(artifact, precision)  # type: ignore[arg-type]
    assert events(lines) == ["engine_probed"]

    monkeypatch.setattr(examining, "Probe", None)  # a second probe fails
    with capture_logs() as lines:
        engine = load_engine(artifact, precision)  # type: ignore[arg-type]

    assert events(lines) == []
    assert engine.name.endswith(f" {precision}, lean")
    for tokens in (3, 16, 64):
        assert engine.forward([row(tokens), row(3)]).computed_tokens == 2 * tokens
    assert engine.forward([row(65)]).computed_tokens == 72
    assert engine.avoiding_passes == 0


def test_a_wrong_width_is_gone_round(artifact: Artifact, break_passes: Callable[[Wrong], None]) -> None:
    """Given an engine that is wrong at 16 tokens, when loaded, then such passes are wider, right and counted.

    This also holds when the verdict is remembered.
    """
    exact = OpenVinoEngine(artifact, "fp32").forward([row(16)]).logits
    break_passes(lambda _model, _rows, width: width == 16)
    assert not np.allclose(OpenVinoEngine(artifact, "fp32").forward([row(16)]).logits, exact, atol=0.1)

    for expected in (["engine_probed", "pass_shapes_avoided"], ["pass_shapes_avoided"]):
        with capture_logs() as lines:
            engine = load_engine(artifact, "fp32")
        assert events(lines) == expected
        assert lines[-1]["log_level"] == "warning"
        assert lines[-1]["widths"] == (16,)
        assert lines[-1]["avoided_drift"] > 10 * lines[-1]["drift_bound"]
        assert engine.name.endswith("lean, no pass of [16] tokens")

    answer = engine.forward([row(16), row(9)])

    assert answer.computed_tokens == 2 * 17
    assert answer.logits.shape[0] == 2
    assert np.allclose(answer.logits[:1], exact, atol=1e-4)
    assert engine.avoiding_passes == 1
    engine.forward([row(15)])
    assert engine.avoiding_passes == 1


class _HalfOfTheKeys:
    """OpenVINO's operations, but attention reads half of the values if a head is as wide as the pass.

    docs/upstream explains the int8 fault with AMX this way: the tiles of one product are used for the next.
    """

    def __getattr__(self, name: str) -> Any:
        return getattr(opset, name)

    def scaled_dot_product_attention(self, query: Any, key: Any, value: Any, mask: Any) -> Any:
        """Like the real one, apart from that."""
        numbers = query.get_output_partial_shape(0)[3].get_length()
        scores = opset.multiply(opset.matmul(query, key, False, True), np.float32(numbers**-0.5))
        shares = opset.softmax(opset.add(scores, mask), 3)
        keys = opset.gather(opset.shape_of(key, "i32"), np.int32(2), np.int32(0))
        read = opset.select(opset.equal(keys, np.int32(numbers)), np.int32(numbers // 2), keys)
        kept = opset.less(opset.range(np.int32(0), keys, np.int32(1), "i32"), read)
        return opset.matmul(opset.multiply(shares, opset.convert(kept, "f32")), value, False, False)


def test_the_fault_seen_with_amx_is_found_in_openvino_itself(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a graph with that fault, when loaded, then the head's width is avoided, and answers are correct."""
    rows = [row(16), row(10)]
    exact = OpenVinoEngine(artifact, "fp32").forward(rows).logits
    monkeypatch.setattr("shared.inference.engines.openvino.graph.opset", _HalfOfTheKeys())
    assert not np.allclose(OpenVinoEngine(artifact, "fp32").forward(rows).logits, exact, atol=0.1)

    engine = load_engine(artifact, "fp32")

    assert engine.name.endswith("lean, no pass of [16] tokens")
    assert np.allclose(engine.forward(rows).logits, exact, atol=1e-4)


def test_a_wrong_number_of_rows_is_gone_round(artifact: Artifact, break_passes: Callable[[Wrong], None]) -> None:
    """Given an engine that is wrong with three rows, when loaded, then a fourth is added and dropped again."""
    rows = [row(20), row(9), row(12)]
    exact = OpenVinoEngine(artifact, "fp32").forward(rows).logits
    break_passes(lambda _model, rows, _width: rows == 3)

    engine = load_engine(artifact, "fp32")
    answer = engine.forward(rows)

    assert engine.name.endswith("lean, no pass of [3] rows")
    assert answer.logits.shape == exact.shape
    assert np.allclose(answer.logits, exact, atol=1e-4)
    assert answer.computed_tokens == 4 * 20


def test_a_precision_that_is_wrong_leaves_the_model_to_the_next(
    artifact: Artifact, break_passes: Callable[[Wrong], None]
) -> None:
    """Given a native precision that is always wrong, when loaded with auto, then fp32 serves.

    If that precision was requested by name, the error says what to do.
    """
    if native_precision() != "bf16":
        pytest.skip("this CPU has no bf16")
    break_passes(lambda model, _rows, _width: model.precision == "bf16")

    for _ in ("probed", "remembered"):
        with capture_logs() as lines:
            described = load_scorer(artifact, "cpu").describe()
        assert " fp32, lean" in described["engine"]
        assert "engine_not_trusted" in events(lines)
    with pytest.raises(
        SettingsError, match=r"precision bf16: OpenVINO answers wrongly in bf16 on this .*use auto"
    ):
        load_scorer(artifact, "cpu", "bf16")


def test_torch_serves_where_openvino_is_wrong_in_all(
    artifact: Artifact, break_passes: Callable[[Wrong], None]
) -> None:
    """Given an OpenVINO whose fp32 contradicts itself, when loaded, then torch serves, and a line says why."""
    break_passes(lambda _model, rows, width: (rows + width) % 2 == 0)

    with pytest.raises(Untrusted, match="answers wrongly in fp32 on this processor"):
        load_engine(artifact, "fp32")
    with capture_logs() as lines:
        described = load_scorer(artifact, "cpu").describe()

    assert described["engine"].startswith("torch ")
    (line,) = [line for line in lines if line["event"] == "engine_falls_back"]
    assert "answers wrongly" in line["why"]


@pytest.mark.parametrize("change", ["files", "precision", "variable", "longest"])
def test_another_model_precision_or_processor_is_probed_anew(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """Given a remembered verdict, when one of its inputs changes, then the engine is probed again."""
    load_engine(artifact, "fp32")
    manifest = artifact.manifest
    if change == "files":
        manifest = manifest.model_copy(update={"files": manifest.files | {"more/config.json": "0" * 64}})
    elif change == "longest":
        manifest = manifest.model_copy(update={"max_tokens": 40})
    elif change == "variable":
        monkeypatch.setenv("ONEDNN_DEFAULT_FPMATH_MODE", "STRICT")
    elif native_precision() != "bf16":
        pytest.skip("this CPU has no bf16")

    with capture_logs() as lines:
        load_engine(replace(artifact, manifest=manifest), "bf16" if change == "precision" else "fp32")

    assert events(lines) == ["engine_probed"]


def test_a_home_that_cannot_be_written_costs_a_probe_each_time(artifact: Artifact, home: Path) -> None:
    """Given a file in place of the cache folder, when loaded twice, then it is probed each time, and serves."""
    home.write_text("a file")

    for _ in range(2):
        with capture_logs() as lines:
            assert load_engine(artifact, "fp32").forward([row(5)]).computed_tokens == 5
        assert sorted(events(lines)) == ["engine_probed", "probe_not_remembered"]


_START: Final = """
import json, sys
from pathlib import Path
from shared.inference.engines.select import load_scorer
from shared.model_folder.artifact import open_artifact

load_scorer(open_artifact(Path(sys.argv[1])), "cpu", "fp32")
print(json.dumps([name for name in ("torch", "transformers", "nncf") if name in sys.modules]))
"""


def test_a_start_needs_no_torch_and_leaves_one_small_file(artifact: Artifact, home: Path) -> None:
    """Given a fresh process, when it probes and when it remembers, then it imports no torch and keeps one file."""
    for expected in (True, False):
        done = subprocess.run(
            [sys.executable, "-c", _START, str(artifact.path)],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        assert json.loads(done.stdout.splitlines()[-1]) == []
        assert ("engine_probed" in done.stdout + done.stderr) == expected

    kept = [path for path in home.rglob("*") if path.is_file()]
    assert kept == [home / "sentiment-stream" / verdicts.FILE]
    assert kept[0].stat().st_size < 1_000
