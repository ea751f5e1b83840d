"""The steps of `plan`: sample, model, measurements, choice, settings file. Cheap refusals come first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import track

from consumer.plan.choice import Setting, Survey, Target, deadline, grid, recommend, refusal
from consumer.plan.measure import Meter
from consumer.plan.report import describe, figures_line, print_trials, write_settings
from consumer.plan.sample import of_file, of_topics
from consumer.settings import ConsumerSettings
from shared.errors import InputDataError, SettingsError
from shared.inference.engines.select import load_scorer
from shared.inference.memory import PeakMemory
from shared.inference.types import Unscorable, rows_of
from shared.model_folder.artifact import open_artifact
from shared.settings import file_values, variable
from shared.terminal import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from consumer.plan.choice import Deadline, Measured
    from consumer.plan.sample import Sample
    from shared.inference.types import Scorer

CHOSEN: Final = ("limits.batch_records", "limits.batch_tokens")


@dataclass(frozen=True, slots=True)
class Request:
    """What an operator asks for, in addition to the settings."""

    output: Path
    sample: Path | None
    """None: the newest records of the input topics."""
    last: int
    """How many of them."""
    seconds: float
    """For each measurement."""
    target_p99_s: float | None
    base: Path | None
    """The settings file in effect; what it holds goes into the one that is written."""

    def target(self, commit_interval_s: float) -> Target | None:
        """What p99 is to be kept within, where anything is."""
        return None if self.target_p99_s is None else Target(self.target_p99_s, commit_interval_s)


def make_plan(settings: ConsumerSettings, request: Request, origins: Mapping[str, str]) -> None:
    """Measures, prints a table, and writes the recommended limits; takes minutes.

    `origins` tells where each setting comes from. Raises SettingsError where nothing can be recommended,
    after the table, and whatever reading the sample, loading and scoring raise.
    """
    if request.output.exists():
        raise SettingsError(f"{request.output} exists and is not overwritten; give another --output")
    limit, form = deadline(settings), settings.input_format
    artifact = open_artifact(settings.model_folder)
    sample = of_file(request.sample, form) if request.sample else of_topics(settings, request.last)
    scorer = load_scorer(artifact, settings.device, settings.precision)

    current = Setting(settings.limits.batch_records, settings.limits.batch_tokens or scorer.batch_tokens)
    survey = _survey(
        settings, request, scorer, sample, max_tokens=artifact.manifest.max_tokens, current=current, limit=limit
    )
    notes = describe(survey, settings.limits, sample.source, request.seconds, limit)
    try:
        best = recommend(survey.trials, limit, request.target(settings.limits.commit_interval_s))
    except SettingsError:
        print_trials(survey.trials, notes, current=current)
        raise
    print_trials(survey.trials, notes, current=current, best=best)
    _write(request, best, [_title(scorer), f"these limits: {figures_line(best.figures)}", *notes])
    for name in CHOSEN:
        if origins.get(name) == variable(name):
            say(f"{variable(name)} is set and goes above the file: unset it")


def _survey(
    settings: ConsumerSettings,
    request: Request,
    scorer: Scorer,
    sample: Sample,
    *,
    max_tokens: int,
    current: Setting,
    limit: Deadline,
) -> Survey:
    """Measures a text alone, texts as long as can be, and every setting that is worth it and may be tried."""
    lengths, inflight = _lengths(scorer, sample.texts), settings.limits.inflight_batches
    memory = PeakMemory(settings.device)
    meter = Meter(scorer, sample.texts, inflight=inflight, seconds=request.seconds, memory=memory)
    idle, longest = meter.one_at_a_time(), meter.longest_text(max_tokens)
    wanted = grid(
        lengths, full_tokens=scorer.batch_tokens, current=current, inflight=inflight, padding=scorer.padding
    )
    console = Console(stderr=True)
    trials = [
        refusal(setting, longest=longest, inflight=inflight, limit=limit) or meter.full_load(setting)
        for setting in track(wanted, "measuring", console=console, disable=not console.is_terminal)
    ]
    return Survey(lengths, idle, longest, trials)


def _lengths(scorer: Scorer, texts: Sequence[str]) -> list[int]:
    """In tokens; raises InputDataError where the model can score none of the texts."""
    rows = scorer.tokenise([scorer.normalise(text) for text in texts])
    found = [len(row) for made in rows if not isinstance(made, Unscorable) for row in rows_of(made)]
    if not found:
        raise InputDataError("the model can score no text of the sample; give another")
    return found


def _title(scorer: Scorer) -> str:
    about, now = scorer.describe(), datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return (
        f"sentiment-consumer plan, {now}: {about['name']} {about['version']}, {about['engine']}, {about['device']}"
    )


def _write(request: Request, best: Measured, remarks: Sequence[str]) -> None:
    """Writes the file with what the one in effect holds; no more people may read it than that one."""
    values = file_values(ConsumerSettings, request.base) if request.base else {}
    mode = request.base.stat().st_mode & 0o777 if request.base else 0o666
    write_settings(request.output, values, best.setting, remarks, mode=mode)
    limits = f"limits.batch_records {best.setting.batch_records}, limits.batch_tokens {best.setting.batch_tokens}"
    say(f"recommended: {limits}; written to {request.output}, for run --config {request.output}")
