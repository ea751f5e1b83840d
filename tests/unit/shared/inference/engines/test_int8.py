"""A model folder gets an int8 graph only if its answers match the model's, and the consumer serves it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from structlog.testing import capture_logs

from shared.errors import ArtifactError, InputDataError, SettingsError
from shared.inference.engines.openvino.bert_shape import UnknownArchitecture
from shared.inference.engines.openvino.engine import OpenVinoEngine, load_engine
from shared.inference.engines.openvino.graph import build
from shared.inference.engines.openvino.int8 import GRAPH, WEIGHTS
from shared.inference.engines.openvino.lean import LeanModel
from shared.inference.engines.select import load_scorer
from shared.inference.isolation import PassFailed
from shared.inference.tokenization.rows import TokenRow
from shared.inference.tokenization.tokenise import Tokeniser
from shared.model_folder.artifact import Artifact, open_artifact, read_manifest, seal
from shared.model_folder.manifest import Int8
from tests.support.tiny import claim_training, tiny_model, write_data
from trainer.data.datasets.named import read_data
from trainer.data.readers import read_examples
from trainer.evaluation.evaluate import evaluate
from trainer.models import export
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from shared.inference.engines.base import Ids

pytestmark = pytest.mark.slow

ROWS: Final = 1_200
HELD_OUT: Final = 323
"""Rows of the validation, calibration and test parts; an export needs 300."""
FIGURES: Final = Int8(
    rows=100,
    calibration_rows=300,
    agreement=0.99,
    macro_recall=0.7,
    macro_recall_fp32=0.7025,
    ece=0.05,
    ece_fp32=0.0405,
    rest="bf16",
    libraries={},
)
"""Just good enough."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled texts whose training part is that of `plain`."""
    return write_data(tmp_path_factory.mktemp("data") / "data.parquet", ROWS)


@pytest.fixture(scope="module", autouse=True)
def own_texts(data: Path) -> Iterator[None]:
    """Probes the engine with the tiny model's calibration texts: on other texts its int8 is close to noise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shared.inference.engines.openvino.engine.PROBE_TEXTS", tuple(read_examples(data).texts[:8]))
        yield


@pytest.fixture(scope="module")
def plain(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A tiny model whose manifest names this training data."""
    return claim_training(tiny_model(tmp_path_factory.mktemp("plain") / "model"), data)


@pytest.fixture(scope="module")
def exported(plain: Artifact, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The same model with an int8 graph."""
    folder = shutil.copytree(plain.path, tmp_path_factory.mktemp("exported") / "model")
    return export.export_int8(folder, read_data(data, TrainerSettings()), TrainerSettings(), calibration_rows=40)


@pytest.fixture(scope="module")
def engine(exported: Artifact) -> OpenVinoEngine:
    """The engine in int8, as it serves: passes avoid the shapes for which this processor answers wrongly."""
    return load_engine(exported, "int8")


@pytest.fixture
def copied(plain: Artifact, tmp_path: Path) -> Path:
    """A copy of the plain folder, for an export."""
    return shutil.copytree(plain.path, tmp_path / "model")


def run_export(folder: Path, data: Path, **settings: Any) -> Artifact:
    """Exports in this process."""
    return export.export_int8(
        folder, read_data(data, TrainerSettings()), TrainerSettings(**settings), calibration_rows=300
    )


def unquantised(artifact: Artifact, shape: Any, _tokens: object) -> Any:
    """Replaces a quantiser by one that loses nothing."""
    return build(artifact, shape)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file next to it and below it, by path."""
    paths = (path for path in sorted(folder.parent.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder.parent)): path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def rows(plain: Artifact, data: Path) -> list[Ids]:
    """Rows like those of the calibration, and shorter ones, in no order."""
    found = Tokeniser.load(plain).rows(
        [text[: 60 - index] for index, text in enumerate(read_examples(data).texts[:50])]
    )
    return [row.ids for row in found if isinstance(row, TokenRow)]


def logits(engine: OpenVinoEngine, rows: Sequence[Ids]) -> NDArray[np.float32]:
    """Logits of passes of up to 8 rows."""
    return np.concatenate([engine.forward(rows[start : start + 8]).logits for start in range(0, len(rows), 8)])


def test_an_export_is_sealed_with_its_figures(plain: Artifact, exported: Artifact) -> None:
    """Manifest and card show how int8 compares; the model gets another version; nothing else changed."""
    found = exported.manifest.int8
    assert found is not None
    assert (found.rows, found.calibration_rows) == (HELD_OUT, 40)
    assert found.agreement >= export.MIN_AGREEMENT
    assert found.libraries.keys() == {"openvino", "nncf"}
    assert set(exported.manifest.files) - set(plain.manifest.files) == {
        GRAPH,
        WEIGHTS,
        "README.md",
        "metrics.json",
        "report.html",
    }
    assert exported.version != plain.version
    card = (exported.path / "README.md").read_text(encoding="utf-8")
    assert f"agrees with fp32 on {found.agreement:.2%} of the labels" in card
    assert exported.version in card


@pytest.mark.parametrize(("precision", "served"), [("auto", "int8"), ("int8", "int8"), ("fp32", "fp32")])
def test_the_consumer_serves_what_is_fastest_or_asked_for(exported: Artifact, precision: Any, served: str) -> None:
    """Given an export, when loaded for a CPU, then auto chooses int8, and fp32 is still available."""
    assert f" {served}, lean" in load_scorer(exported, "cpu", precision).describe()["engine"]


def test_int8_answers_nearly_as_fp32(exported: Artifact, engine: OpenVinoEngine, rows: list[Ids]) -> None:
    """Given rows, when scored in int8, then logits are near those of fp32, but not equal."""
    expected = logits(OpenVinoEngine(exported, "fp32"), rows)
    found = logits(engine, rows)

    apart = np.abs(found - expected)
    assert 1e-3 < apart.max() < 0.2 * np.ptp(expected)
    assert apart.mean() < 0.03 * np.ptp(expected)


def test_neighbours_do_not_matter_in_int8(engine: OpenVinoEngine, rows: list[Ids]) -> None:
    """Given rows, when scored alone, together or shuffled, then only the last digits differ."""
    alone = np.concatenate([engine.forward([row]).logits for row in rows])
    order = np.random.default_rng(11).permutation(len(alone))

    assert np.allclose(logits(engine, rows), alone, atol=0.02 * np.ptp(alone))
    assert np.allclose(logits(engine, [rows[index] for index in order]), alone[order], atol=0.02 * np.ptp(alone))


@pytest.mark.parametrize("row", [np.zeros(129, np.int32), np.array([2, 10**6]), np.array([2, -1])])
def test_a_row_that_the_model_cannot_read_fails_its_pass_in_int8(engine: OpenVinoEngine, row: Ids) -> None:
    """Given too many tokens or no token at all, when scored, then the pass fails and the next does not."""
    with pytest.raises(PassFailed):
        engine.forward([row.astype(np.int32)])

    assert np.isfinite(engine.forward([np.arange(4, dtype=np.int32)]).logits).all()


def test_int8_without_an_export_names_the_command(plain: Artifact) -> None:
    """Given a folder without an export, when int8 is requested, then the error says how to make one."""
    with pytest.raises(SettingsError, match=f"sentiment-trainer export {plain.path} --precision int8 --data FILE"):
        load_scorer(plain, "cpu", "int8")


@pytest.mark.parametrize("name", [GRAPH, WEIGHTS])
def test_an_altered_graph_is_refused(exported: Artifact, tmp_path: Path, name: str) -> None:
    """Given an export with a changed byte, when the folder is opened, then it is refused."""
    folder = shutil.copytree(exported.path, tmp_path / "model")
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)

    with pytest.raises(ArtifactError, match="was altered after training"):
        open_artifact(folder)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        (GRAPH, b'version="opset1"', b'version="opset99"'),
        (GRAPH, b'names="logits"', b'names="others"'),
        (GRAPH, b'names="lengths"', b'names="widths_"'),
        (WEIGHTS, b"weights", b"strange"),
    ],
)
def test_a_graph_that_this_openvino_cannot_use_says_what_to_do(
    exported: Artifact, tmp_path: Path, name: str, old: bytes, new: bytes
) -> None:
    """Given a graph of another kind with a valid seal, when loaded, then the error says to export it again."""
    folder = shutil.copytree(exported.path, tmp_path / "model")
    content = (folder / name).read_bytes()
    assert old in content
    (folder / name).write_bytes(content.replace(old, new))

    with pytest.raises(ArtifactError, match="export it again"):
        OpenVinoEngine(seal(folder, exported.manifest), "int8")


def test_a_graph_that_loses_too_much_changes_nothing(
    copied: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a quantiser that reverses answers, when exported, then figures and advice come; no byte differs."""
    before = contents(copied)
    wrong = shutil.copytree(copied, tmp_path.with_name(f"{tmp_path.name}-wrong"))
    weights = load_file(wrong / "model.safetensors")
    save_file(weights | {"classifier.weight": -weights["classifier.weight"]}, wrong / "model.safetensors")
    sealed = seal(wrong, read_manifest(wrong))
    monkeypatch.setattr(export, "quantise", lambda _, shape, tokens: unquantised(sealed, shape, tokens))

    with pytest.raises(ArtifactError, match=r"(?s)nothing was written.*323 held-out rows.*calibration-rows.*bf16"):
        run_export(copied, data)

    assert contents(copied) == before


def test_the_gate_goes_round_passes_that_are_wrong_here(
    copied: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an int8 that is wrong at a width of the held-out rows, when exported, then the gate still passes it.

    Without the probe it would not.
    """
    monkeypatch.setattr(export, "quantise", unquantised)
    widths: set[int] = set()
    run, run_in = LeanModel.run, LeanModel.run_in

    def noting(model: LeanModel, rows: Sequence[Ids]) -> tuple[NDArray[np.float32], int]:
        widths.add(max(map(len, rows)))
        return run(model, rows)

    def wrong(model: LeanModel, rows: Sequence[Ids], width: int) -> NDArray[np.float32]:
        half = model.precision == "int8" and width in widths
        return run_in(model, [row[: (len(row) + 1) // 2] for row in rows] if half else rows, width)

    monkeypatch.setattr(LeanModel, "run", noting)
    run_export(copied, data)
    monkeypatch.setattr(LeanModel, "run", run)
    monkeypatch.setattr(LeanModel, "run_in", wrong)

    with capture_logs() as lines:
        exported = run_export(copied, data)

    assert exported.manifest.int8 is not None
    assert exported.manifest.int8.agreement >= export.MIN_AGREEMENT
    (line,) = [line for line in lines if line["event"] == "pass_shapes_avoided"]
    assert set(line["widths"]) >= widths
    monkeypatch.setattr(export, "examine", lambda *_, **__: None)
    with pytest.raises(ArtifactError, match="int8 loses too much"):
        run_export(copied, data)


@pytest.mark.parametrize("worse", [{"agreement": 0.989}, {"macro_recall": 0.699}, {"ece": 0.051}, {"ece": 0.03}])
def test_each_figure_can_fail_the_gate(worse: dict[str, float]) -> None:
    """Given figures that just pass, when one of them is worse, then they fail."""
    export.judge(FIGURES)

    with pytest.raises(ArtifactError, match="int8 loses too much"):
        export.judge(FIGURES.model_copy(update=worse))


def test_a_second_export_replaces_the_first_and_measuring_keeps_it(
    exported: Artifact, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given an exported folder, reached by a link, when exported and measured again, then there is one graph."""
    monkeypatch.setattr(export, "quantise", unquantised)
    folder = shutil.copytree(exported.path, tmp_path / "model")
    (tmp_path / "link").symlink_to(folder)

    again = run_export(tmp_path / "link", data)
    examples = read_data(data, TrainerSettings())
    evaluate(open_artifact(folder), examples, data.name, device="cpu", precision="auto", write=True)

    found = open_artifact(folder)
    assert found.version == again.version != exported.version
    assert found.manifest.int8 == again.manifest.int8
    assert again.manifest.int8 is not None
    assert again.manifest.data is not None
    assert again.manifest.int8.calibration_rows == 300
    assert again.manifest.data.rows == ROWS - HELD_OUT
    assert found.manifest.files.keys() == exported.manifest.files.keys()
    assert (tmp_path / "link").readlink() == folder


def test_the_rows_of_an_export_are_those_of_the_training(
    copied: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given other options for the split, when exported, then the kept parts count; other data are refused."""
    monkeypatch.setattr(export, "quantise", unquantised)
    found = run_export(copied, data, seed=1, test_fraction=0.3)
    assert found.manifest.int8 is not None
    assert found.manifest.int8.rows == HELD_OUT

    fewer = write_data(tmp_path / "data.parquet", ROWS - 1)
    with pytest.raises(InputDataError, match="give the data, and the options for columns and labels"):
        run_export(copied, fewer)


def test_too_few_held_out_rows_decide_nothing(tmp_path: Path) -> None:
    """Given 80 held-out rows, when exported, then it says how many it needs before anything is quantised."""
    data = write_data(tmp_path / "data.parquet", 300)
    folder = claim_training(tiny_model(tmp_path / "model"), data).path
    with pytest.raises(InputDataError, match="needs 300 held-out rows, and these data have 80"):
        run_export(folder, data)


def test_an_architecture_without_a_lean_graph_is_refused(
    copied: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a model without a verified graph, when exported, then an ArtifactError says so."""

    def refuse(_folder: Path) -> None:
        raise UnknownArchitecture("architecture ['New']")

    monkeypatch.setattr(export, "read_shape", refuse)
    with pytest.raises(ArtifactError, match=r"cannot be quantised \(architecture \['New'\]\)"):
        run_export(copied, data)
