"""Reports a training to TensorBoard or MLflow, for people who compare their trainings there. Off by default."""

from __future__ import annotations

import os
from contextlib import contextmanager
from math import isnan
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import structlog

from shared.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from trainer.models.transformer.progress import ProgressReporter
    from trainer.models.transformer.training_state import Evaluation

Where = Literal["tensorboard", "mlflow"]

EXTRA: Final = "sentiment-stream[tracking]"
EXPERIMENT: Final = "sentiment-trainer"
"""Of MLflow, unless MLFLOW_EXPERIMENT_NAME names another."""

log = structlog.get_logger()


class Tracker(Protocol):
    """A run at one of these services. Called by one thread."""

    def settings(self, settings: Mapping[str, Any]) -> None:
        """The resolved settings, once."""

    def values(self, step: int, values: Mapping[str, float]) -> None:
        """Figures at a step of the training; those of the test rows are at the step of the best weights."""

    def close(self, *, finished: bool) -> None:
        """Ends the run, as finished or as failed."""


@contextmanager
def tracking(where: Where | None, output: Path) -> Iterator[Tracker | None]:
    """A run named like the output folder; raises SettingsError if the service cannot be used.

    TensorBoard's files are in a folder next to `output`: those in it are sealed. MLflow's place and experiment are
    those of its own variables, such as MLFLOW_TRACKING_URI.
    """
    if where is None:
        yield None
        return
    tracker = _tensorboard(output) if where == "tensorboard" else _mlflow(output.absolute().name)
    try:
        yield tracker
    except BaseException:
        tracker.close(finished=False)
        raise
    tracker.close(finished=True)


class Reporting:
    """Passes the progress of the training loop on to a terminal and to a tracker."""

    def __init__(self, terminal: ProgressReporter, tracker: Tracker) -> None:
        self._terminal = terminal
        self._tracker = tracker

    def step(self, step: int, steps: int, loss: float, rate: float) -> None:
        """As in ProgressReporter."""
        self._terminal.step(step, steps, loss, rate)
        self._tracker.values(step, {"train/loss": loss, "train/learning_rate": rate})

    def evaluated(self, evaluation: Evaluation, steps: int, *, best: bool) -> None:
        """As in ProgressReporter."""
        self._terminal.evaluated(evaluation, steps, best=best)
        figures = {
            "validation/loss": evaluation.validation_loss,
            "validation/macro_recall": evaluation.macro_recall,
            "validation/macro_f1": evaluation.macro_f1,
        }
        self._tracker.values(evaluation.step, {name: one for name, one in figures.items() if not isnan(one)})


class _TensorBoard:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def settings(self, settings: Mapping[str, Any]) -> None:
        rows = "\n".join(f"| {name} | {value} |" for name, value in settings.items())
        self._writer.add_text("settings", f"| setting | value |\n| --- | --- |\n{rows}")

    def values(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self, *, finished: bool) -> None:
        del finished  # TensorBoard does not know how a run ended
        self._writer.close()


def _tensorboard(output: Path) -> Tracker:
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - takes a second, and is an extra
    except ImportError:
        raise _missing("tensorboard") from None
    folder = output.absolute().with_name(f"{output.absolute().name}.tensorboard")
    log.info("tracking", folder=str(folder), view=f"tensorboard --logdir {folder}")
    return _TensorBoard(SummaryWriter(str(folder)))


class _Mlflow:
    """A server that fails ends no training: that is said once, and the training goes on without it."""

    def __init__(self, client: Any, run: str, error: type[Exception]) -> None:
        self._client = client
        self._run = run
        self._error = error
        self._failed = False

    def settings(self, settings: Mapping[str, Any]) -> None:
        for name, value in settings.items():
            self._try(lambda name=name, value=value: self._client.log_param(self._run, name, value))  # type: ignore[misc]

    def values(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._try(lambda name=name, value=value: self._client.log_metric(self._run, name, value, step=step))  # type: ignore[misc]

    def close(self, *, finished: bool) -> None:
        self._try(lambda: self._client.set_terminated(self._run, "FINISHED" if finished else "FAILED"))

    def _try(self, call: Callable[[], Any]) -> None:
        if self._failed:
            return
        try:
            call()
        except self._error as error:
            self._failed = True
            log.warning("tracking_failed", reason=type(error).__name__, effect="the training goes on without it")


def _mlflow(name: str) -> Tracker:
    try:
        import mlflow  # noqa: PLC0415 - takes a second, and is an extra
        from mlflow.exceptions import MlflowException  # noqa: PLC0415
    except ImportError:
        raise _missing("mlflow") from None
    client = mlflow.MlflowClient()
    try:
        experiment = _experiment(client)
        run = client.create_run(experiment, run_name=name).info.run_id
    except MlflowException as error:
        raise SettingsError(
            f"--report-to mlflow: no run could be begun at {mlflow.get_tracking_uri()} ({error.error_code}); "
            "set MLFLOW_TRACKING_URI, or leave out --report-to"
        ) from None
    log.info("tracking", run=run)
    return _Mlflow(client, run, MlflowException)


def _experiment(client: Any) -> str:
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
    found = client.get_experiment_by_name(name)
    return str(found.experiment_id if found else client.create_experiment(name))


def _missing(where: Where) -> SettingsError:
    return SettingsError(f"--report-to {where} needs another package: pip install '{EXTRA}'")
