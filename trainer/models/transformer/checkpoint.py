"""Checkpoints of the training state, so that an interrupted training resumes bit for bit.

A checkpoint is one safetensors file, replaced atomically; no pickle. It belongs to one training config, base and
data set, and another training cannot resume from it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import structlog
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from shared.errors import InputDataError
from trainer.models.transformer.schedule.plan import Plan
from trainer.models.transformer.training_state import Evaluation

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.models.transformer.training_state import TrainingState


log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The path of the saved state, and the training that it belongs to."""

    path: Path
    identity: str
    """Distinguishes trainings: contains everything that can change the result by more than rounding."""
    processes: int = 1
    """Of this run: another number may resume, with the same batches."""

    def save(self, state: TrainingState) -> None:
        """Replaces the file."""
        tensors = {
            **_prefixed("model", state.model.state_dict()),
            **_prefixed("best", state.best_weights),
            **{
                f"optimizer.{index}.{name}": value
                for index, values in state.optimizer.state_dict()["state"].items()
                for name, value in values.items()
            },
            # For dropout; the order of the rows depends on seed and epoch alone.
            "chance.cpu": torch.get_rng_state(),
        }
        if state.average is not state.model:
            tensors |= _prefixed("average", state.average.state_dict())
        if torch.cuda.is_available():
            tensors["chance.cuda"] = torch.cuda.get_rng_state()
        if state.losses:
            tensors["losses"] = torch.stack(state.losses)
        training = {
            "identity": self.identity,
            "processes": self.processes,
            "threads": torch.get_num_threads(),
            "step": state.step,
            "best": state.best,
            "history": [asdict(one) for one in state.history],
            "plan": asdict(state.plan),
            "scaler": state.scaler.state_dict(),
            "used_s": state.used_s,
            "first_loss": state.first_loss,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(f"{self.path.name}.partial")
        # safetensors refuses tensors that are not contiguous or that share memory.
        whole = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
        save_file(whole, partial, metadata={"training": json.dumps(training)})
        partial.replace(self.path)

    def read(self) -> Saved | None:
        """The saved state, if there is one; raises InputDataError for another training's."""
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                training = json.loads(file.metadata()["training"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
        except (SafetensorError, KeyError, ValueError):
            raise InputDataError(f"{self.path} is not a checkpoint of this project; remove it") from None
        if training["identity"] != self.identity:
            raise InputDataError(
                f"{self.path} belongs to a training with other settings, base or data; "
                "remove it to start again, or train with the same ones as before"
            )
        self._compare(training["processes"], training["threads"])
        return Saved(training, tensors)

    def _compare(self, processes: int, threads: int) -> None:
        """Threads decide the last bits of sums, and so do processes; a log line names a change of these."""
        now = torch.get_num_threads()
        if processes != self.processes:
            log.warning(
                "resumed_in_other_processes",
                before=processes,
                now=self.processes,
                effect="the weights will differ from those of a training without interruption in their last bits",
            )
        elif threads != now:
            raise InputDataError(
                f"{self.path} belongs to a training with {threads} threads in each process, and now there are "
                f"{now}; set OMP_NUM_THREADS={threads}, or remove the file to start again"
            )

    def remove(self) -> None:
        """Deletes the file; call it after the model is published."""
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Saved:
    """What a checkpoint holds, on the CPU."""

    training: dict[str, Any]
    tensors: dict[str, torch.Tensor]

    def restore(self, state: TrainingState) -> None:
        """Loads everything into `state`, whose model and optimizer are of the same training. Call it once."""
        training = self.training
        _restore(state, self.tensors)
        self.tensors.clear()  # five times the size of the model, which the training needs itself
        state.step, state.best, state.used_s = training["step"], training["best"], training["used_s"]
        state.first_loss = training["first_loss"]
        state.history = [Evaluation(**one) for one in training["history"]]
        state.plan = Plan(**training["plan"])
        state.scaler.load_state_dict(training["scaler"])


def _restore(state: TrainingState, tensors: dict[str, torch.Tensor]) -> None:
    state.model.load_state_dict(_without("model", tensors))
    if state.average is not state.model:
        state.average.load_state_dict(_without("average", tensors))
    state.best_weights = _without("best", tensors)
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for name, value in _without("optimizer", tensors).items():
        index, key = name.split(".")
        moments.setdefault(int(index), {})[key] = value
    # Not saved: they follow from the config, and the rate is set before each step.
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    state.losses = list(tensors["losses"].to(state.device)) if "losses" in tensors else []
    torch.set_rng_state(tensors["chance.cpu"])
    if "chance.cuda" in tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(tensors["chance.cuda"])


def _prefixed(prefix: str, tensors: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _without(prefix: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
