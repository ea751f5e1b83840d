"""`sentiment-consumer check`: one line per part, each ok or what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from consumer.preflight.questions import Preflight, describe_topics
from consumer.preflight.sample import Survey, survey_topics
from consumer.preflight.sample_table import summary, table
from shared.errors import KafkaStateError, ScorerError, SentimentError
from shared.inference.device import choose_device
from shared.inference.engines.select import load_scorer
from shared.inference.scheduler import Scheduler
from shared.inference.types import Unscorable
from shared.model_folder.artifact import open_artifact
from shared.terminal import escaped, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.preflight.problem import Problem
    from consumer.settings import ConsumerSettings
    from shared.inference.types import Scorer

SENTENCE = "What a wonderful day!"
"""Scored as the last check; the only text this service ever prints without being asked to."""


def run_checks(settings: ConsumerSettings, sample: int | None = None) -> int:
    """Prints every check's line to standard output; returns the exit code of the first that failed, or 0.

    `sample` is the number of the input's newest records that are read, scored and counted in a table.
    """
    report = _Report()
    scored: tuple[Scheduler, str] | None = None
    preflight = report.line("settings", lambda: Preflight(settings), lambda _: "valid")
    reached = preflight is not None and report.line("broker", preflight.broker, str) is not None
    if preflight is not None and reached:
        # Rights first: a topic that may not be described looks as if it did not exist.
        if report.line("rights", preflight.rights, str) is None:
            report.skip("topics", "configs", "cluster", "input", why="needs the rights")
        elif report.line("topics", lambda: _topics(preflight), str) is None:
            report.skip("configs", "cluster", "input", why="needs the topics")
        else:
            _compare(report, preflight)
            report.line("input", preflight.first_input, str)
    else:
        report.skip("rights", "topics", "configs", "cluster", "input", why="needs the broker")
    artifact = report.line(
        "model",
        lambda: open_artifact(settings.model_folder),
        lambda found: f"{found.manifest.name} {found.version}: {', '.join(found.manifest.labels)}",
    )
    device = report.line("device", lambda: choose_device(settings.device), str)
    if artifact is None or device is None:
        report.skip("score", why="needs model and device")
    else:
        scored = report.line(
            "score",
            lambda: _score_one(load_scorer(artifact, device, settings.precision), settings.uncertain_below),
            lambda found: found[1],
        )
    if sample is None:
        return report.exit_code
    if scored is None or not reached:
        report.skip("sample", why="needs the broker and a score")
    else:
        _show_sample(report, settings, sample, scored[0], artifact.manifest.max_tokens)
    return report.exit_code


def _compare(report: _Report, preflight: Preflight) -> None:
    """The topics written to and the brokers' own settings, a line for each thing that will hurt."""
    targets = preflight.targets()
    names = ", ".join(topic.name for topic in targets)
    unknown = ", ".join(topic.name for topic in targets if not topic.known)
    report.problems(
        "configs",
        lambda: preflight.topic_problems(targets),
        hidden=f"topic {unknown}" if unknown else "",
        well=f"{names} take and keep all that is written",
    )
    config = preflight.cluster_config()
    report.problems(
        "cluster",
        lambda: preflight.cluster_problems(config),
        hidden="" if config else "the cluster",
        well="groups and transactions have what they need",
    )


def _show_sample(
    report: _Report, settings: ConsumerSettings, sample: int, scoring: Scheduler, max_tokens: int
) -> None:
    """Prints what the input's newest records would become, as a line and a table."""
    found = Survey()

    def ask() -> str:
        survey_topics(settings, sample, scoring, found)
        return summary(found, sample, settings.limits.dlq_share)

    report.line("sample", ask, str)
    if found.records:
        show(table(found, max_tokens=max_tokens, max_unknown_share=settings.max_unknown_share))


def _topics(preflight: Preflight) -> str:
    return describe_topics(preflight.partitions(), preflight.unmatched())


def _score_one(scorer: Scorer, uncertain_below: float | None) -> tuple[Scheduler, str]:
    scoring = Scheduler(scorer)
    (score,) = scoring.score([SENTENCE])
    if isinstance(score, Unscorable):
        raise ScorerError(f"the check's own sentence cannot be scored: {score.reason}")
    label, probability = score.model.labels[score.label], score.probabilities[score.label]
    below = score.model.uncertain_below if uncertain_below is None else uncertain_below
    return scoring, f"{SENTENCE!r} is {label} ({probability:.2f}); uncertain are results below {below:.2f}"


class _Report:
    def __init__(self) -> None:
        self._console = Console(soft_wrap=True, highlight=False)
        self.exit_code = 0

    def line(self, name: str, question: Callable[[], Any], describe: Callable[[Any], str]) -> Any:
        """Asks, prints the answer and returns it; prints what to do and returns None where it fails."""
        try:
            answer = question()
        except SentimentError as error:
            self._fail(name, str(error), error.exit_code)
            return None
        self._print("ok", "green", name, describe(answer))
        return answer

    def problems(self, name: str, question: Callable[[], list[Problem]], *, hidden: str, well: str) -> None:
        """Prints a line for each problem; `well` where there is none, `hidden` is what this user may not know."""
        try:
            found = question()
        except SentimentError as error:
            self._fail(name, str(error), error.exit_code)
            return
        for problem in found:
            if problem.is_fatal:
                self._fail(name, problem.text, KafkaStateError.exit_code)
            else:
                self._print("warn", "bold yellow", name, problem.text)
        if hidden:
            self._print("ok", "green", name, f"not shown to this user, who needs DESCRIBE_CONFIGS on {hidden}")
        elif not found:
            self._print("ok", "green", name, well)

    def skip(self, *names: str, why: str) -> None:
        for name in names:
            self._print("-", "dim", name, f"not tried: {why}")

    def _fail(self, name: str, detail: str, exit_code: int) -> None:
        self._print("FAIL", "bold red", name, detail)
        self.exit_code = self.exit_code or exit_code

    def _print(self, mark: str, style: str, name: str, detail: str) -> None:
        self._console.print(Text.assemble((f"{mark:<5}", style), (f"{name:<10}", "bold"), escaped(detail)))
