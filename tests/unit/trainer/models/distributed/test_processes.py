"""Two processes train as one does: the same weights up to rounding, and each can go on where the other ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sentiment_testing.process import environment
from shared.errors import SettingsError
from shared.model_folder.artifact import open_artifact
from tests.support.tiny import tiny_base, write_data
from tests.unit.trainer.models.distributed.trainings import run
from trainer.__main__ import app
from trainer.data.readers import read_examples
from trainer.models.distributed.world import LAUNCHED, World, check_devices
from trainer.models.train import Job, train
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

TOLERANCE: Final = 1e-5
"""Of a weight, absolute, after 34 updates of 1e-3 at most: rounding of sums in another order gave 4e-7."""
WITHOUT_EFFECT: Final = "key.bias"
"""It adds the same to all weights of an attention, so its gradient is rounding alone, which Adam enlarges."""
TIMEOUT_S: Final = 240


def torchrun(*words: object, processes: int = 2) -> list[str]:
    """The command line for that number of processes on this machine."""
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    return [sys.executable, *launch, *map(str, words)]


def finished(*words: object, processes: int = 2) -> subprocess.CompletedProcess[str]:
    """Runs it to its end."""
    return subprocess.run(
        torchrun(*words, processes=processes),
        env=environment({"OMP_NUM_THREADS": "1"}),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with base/, data.parquet and the weights of trainings in two processes."""
    folder = tmp_path_factory.mktemp("place")
    tiny_base(folder / "base")
    write_data(folder / "data.parquet")
    return folder


@pytest.fixture(scope="module")
def weights(place: Path) -> Callable[[str], dict[str, torch.Tensor]]:
    """The weights of a training in two processes, by its name; `one` is that in this process."""
    torch.set_num_threads(1)
    one = run(place / "base", place, "one")
    done = finished("-m", "tests.unit.trainer.models.distributed.trainings", place / "base", place)
    assert done.returncode == 0, done.stderr
    return lambda name: one if name == "one" else load_file(place / f"{name}.weights")


def difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The largest of a weight that has an effect."""
    assert one.keys() == other.keys()
    names = [name for name in one if not name.endswith(WITHOUT_EFFECT)]
    return max(float((one[name].float() - other[name].float()).abs().max()) for name in names)


def test_two_processes_train_as_one(weights: Callable[[str], dict[str, torch.Tensor]]) -> None:
    """Given no dropout, when each pass is divided over two processes, then the weights differ by rounding only."""
    assert 0 < difference(weights("one"), weights("two")) < TOLERANCE
    assert difference(weights("dropout"), weights("two")) > 10 * TOLERANCE


def test_a_training_is_resumed_in_another_number_of_processes(
    weights: Callable[[str], dict[str, torch.Tensor]], place: Path
) -> None:
    """From one to two and from two to one, after half an epoch: the weights of a training without interruption."""
    assert difference(weights("one"), weights("one then two")) < TOLERANCE
    assert difference(weights("one"), run(place / "base", place, "back", start="two")) < TOLERANCE


def test_two_processes_resume_bit_for_bit(weights: Callable[[str], dict[str, torch.Tensor]]) -> None:
    """Given dropout, which differs by process, when both resume, then it is as it would have been."""
    whole, resumed = weights("dropout"), weights("dropout resumed")
    assert all(torch.equal(tensor, resumed[name]) for name, tensor in whole.items())


def test_a_budget_is_measured_by_both(weights: Callable[[str], dict[str, torch.Tensor]], place: Path) -> None:
    """Given a batch size, when the pace is measured, then both processes make the updates."""
    weights("one")
    assert (place / "paces").read_text() == "1"


def words_of(place: Path, output: Path, *more: object) -> list[object]:
    """A command line of `train`."""
    words = ["-m", "trainer", "train", "--data", place / "data.parquet", "--base", place / "base"]
    words += ["--output", output, "--device", "cpu", "--precision", "fp32", "--dropout", 0]
    words += ["--learning-rate", 3e-3]
    return [*words, "--no-behaviour", *more]


def test_the_command_trains_in_two_processes_and_says_everything_once(place: Path, tmp_path: Path) -> None:
    """One model folder, one report, one line per evaluation; the manifest says how many processes there were."""
    done = finished(*words_of(place, tmp_path / "model", "--epochs", 2, "--resume"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Held-out test rows") == 1
    assert done.stderr.count('"event": "training"') == 1
    assert done.stderr.count("epoch 1.0") == 1
    assert open_artifact(tmp_path / "model").manifest.training["processes"] == 2
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_base_is_adapted_in_two_processes(place: Path, tmp_path: Path) -> None:
    """Given texts without labels, when two processes guess their masked tokens, then one base is written."""
    words = ["-m", "trainer", "adapt", "--data", place / "data.parquet", "--base", place / "base"]
    words += ["--output", tmp_path / "out", "--device", "cpu", "--precision", "fp32", "--learning-rate", 3e-3]
    done = finished(*words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("loss of a masked token") == 1
    origin = json.loads((tmp_path / "out" / "adaptation.json").read_bytes())
    assert origin["loss_after"] < origin["loss_before"]
    assert origin["training"]["processes"] == 2


def test_an_error_of_the_first_process_is_said_once_and_ends_all(place: Path, tmp_path: Path) -> None:
    """A setting that is wrong, found before any process needs another."""
    done = finished(*words_of(place, tmp_path / "model", "--epochs", 2, "--batch-size", 1))
    assert done.returncode != 0
    assert done.stderr.count("error: --batch-size 1 is less than the 2 processes, which share each batch") == 1
    assert not (tmp_path / "model").exists()


def test_a_process_that_is_killed_ends_all(place: Path, tmp_path: Path) -> None:
    """Given a training, when the second process is killed, then torchrun ends with an error and names it."""
    log = tmp_path / "log"
    with log.open("wb") as file:
        # All rows are one batch, so that the loss of this random base is even.
        more = ("--epochs", 1_000, "--patience", 1_000, "--batch-size", 300)
        command = torchrun(*words_of(place, tmp_path / "model", *more))
        running = subprocess.Popen(command, env=environment({"OMP_NUM_THREADS": "1"}), stdout=file, stderr=file)
    try:
        wait_for(lambda: "epoch 1.0" in log.read_text())
        os.kill(second_of(running.pid), signal.SIGKILL)
        assert running.wait(TIMEOUT_S) != 0
    finally:
        running.terminate()  # it ends those that it has started
        running.wait(TIMEOUT_S)
    said = log.read_text()
    assert "Signal 9 (SIGKILL)" in said
    assert "unforeseen" not in said
    assert not (tmp_path / "model").exists()


def wait_for(seen: Callable[[], bool]) -> None:
    """Until it is true; fails after TIMEOUT_S."""
    until = time.monotonic() + TIMEOUT_S
    while not seen():
        assert time.monotonic() < until
        time.sleep(0.1)


def second_of(parent: int) -> int:
    """The process of rank 1 that torchrun has started."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return next(int(one) for one in children if b"\0RANK=1\0" in Path(f"/proc/{one}/environ").read_bytes())


def test_what_one_process_does_is_refused(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other commands, baselines, a CNN and linear heads: one line, before the data are read."""
    monkeypatch.setenv(LAUNCHED, "x")
    data, output = str(place / "data.parquet"), str(tmp_path / "model")
    with pytest.raises(SettingsError, match="run sentiment-trainer inspect without it"):
        app(["inspect", "--data", data], standalone_mode=False)
    for model in ("nb", "cnn"):
        with pytest.raises(SettingsError, match=f"--model {model} is trained in one process"):
            app(["train", "--data", data, "--model", model, "--output", output], standalone_mode=False)
    few = read_examples(place / "data.parquet").take(np.arange(60))
    job = Job(few, tmp_path / "model", world=World(0, 2, is_group=True))
    with pytest.raises(
        SettingsError, match="a linear head is fitted in one process: leave out torchrun, or --head"
    ):
        train(job, TrainerSettings(base=str(place / "base")))


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given one GPU, when torchrun has started two processes on this machine, then the error says the numbers."""
    monkeypatch.setenv(LAUNCHED, "x")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    check_devices("cpu")
    with pytest.raises(SettingsError, match="started 2 processes on this machine, which has 1 GPUs"):
        check_devices("cuda")
