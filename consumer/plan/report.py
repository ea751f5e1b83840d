"""What `plan` shows and writes: a table, what it means, and a settings file. Texts never appear."""

from __future__ import annotations

import os
import statistics
from typing import TYPE_CHECKING, Any, Final

import yaml
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from consumer.plan.choice import Measured, Refused
from shared.errors import SettingsError
from shared.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from consumer.plan.choice import Deadline, Figures, Setting, Survey, Trial
    from consumer.settings import Limits

_PIPE_COLUMNS: Final = 160
_WHOLE_MS: Final = 100


def print_trials(
    trials: Sequence[Trial], notes: Sequence[str], *, current: Setting, best: Measured | None = None
) -> None:
    """Prints every setting with its figures, or why it is refused, and then what the figures mean.

    A table on a terminal; in a pipe the same as plain lines.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    table = Table(box=SIMPLE_HEAD if console.is_terminal else None, pad_edge=False)
    if not console.is_terminal:
        # Rich falls back to 80 columns in a pipe, and would wrap the remarks.
        console.width = _PIPE_COLUMNS
    gpu = any(isinstance(trial, Measured) and trial.figures.device_bytes is not None for trial in trials)
    for title in ["records", "tokens", "texts/s", "p50 ms", "p99 ms", "MiB", *["GPU MiB"] * gpu]:
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("")
    for trial in sorted(trials, key=lambda one: one.setting):
        setting, refused = trial.setting, isinstance(trial, Refused)
        numbers = ["-"] * (4 + gpu) if isinstance(trial, Refused) else _numbers(trial.figures)
        remarks = [
            *([f"refused: {trial.why}"] if isinstance(trial, Refused) else []),
            *(["recommended"] if trial == best else []),
            *(["in effect now"] if setting == current else []),
        ]
        cells = [f"{setting.batch_records:,}", f"{setting.batch_tokens:,}", *numbers, escaped(", ".join(remarks))]
        table.add_row(*cells, style="bold" if trial == best else "dim" if refused else None)
    console.print(table)
    for note in notes:
        console.print(escaped(note), soft_wrap=True)


def describe(survey: Survey, limits: Limits, source: str, seconds: float, limit: Deadline) -> list[str]:
    """What the figures mean, one line each."""
    lengths, idle, longest = survey.lengths, survey.idle, survey.longest
    spread = f"{min(lengths)} to {max(lengths)} tokens, {statistics.mean(lengths):.1f} in the mean"
    batches = f"{limits.inflight_batches} batches in hand"
    alone = f"p50 {milliseconds(idle.p50_s)} ms, p99 {milliseconds(idle.p99_s)} ms"
    worst = f"{limits.inflight_batches} x records texts of {longest.tokens} tokens"
    return [
        "records, tokens: limits.batch_records and limits.batch_tokens; MiB: peak of the process, model included",
        f"measured at full load, without Kafka: {batches}, no score known beforehand, {seconds:g} s for each row",
        f"sample: {len(lengths):,} {source}; {spread}",
        f"p50, p99: submission to score; then up to {limits.commit_interval_s:g} s to the publish, under load",
        f"one text at a time, as on an idle consumer: {alone}",
        f"worst batch: {worst}, {milliseconds(longest.text_s)} ms each; refused above {limit}",
    ]


def write_settings(
    file: Path, values: Mapping[str, Any], setting: Setting, remarks: Sequence[str], *, mode: int = 0o666
) -> None:
    """Writes a settings file: these values and the chosen limits, below remarks as comments.

    `mode` is what the file's rights are at most: the values may hold a password. Raises SettingsError for a
    file that exists, which is left as it is, and for one that cannot be written.
    """
    chosen = {
        **values,
        "limits.batch_records": setting.batch_records,
        "limits.batch_tokens": setting.batch_tokens,
    }
    # One line each: a line end in a file's name would end the comment.
    comments = "".join(f"# {' '.join(remark.split())}\n" for remark in remarks)
    content = comments + yaml.safe_dump(chosen, sort_keys=False, allow_unicode=True)
    try:
        # O_EXCL: minutes ago `make_plan` found no such file. The mode is set at creation, so that a password can
        # be read by nobody else at any moment.
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as out:
            out.write(content)
    except FileExistsError:
        raise SettingsError(f"{file} exists and is not overwritten; give another --output") from None
    except OSError as error:
        raise SettingsError(f"cannot write {file}: {error.strerror}; give another --output") from None


def figures_line(figures: Figures) -> str:
    """The figures of a setting for a reader without the table."""
    gpu = "" if figures.device_bytes is None else f", {_mebibytes(figures.device_bytes)} MiB of the GPU"
    return (
        f"{figures.texts_per_s:,.0f} texts/s, p50 {milliseconds(figures.latency.p50_s)} ms, "
        f"p99 {milliseconds(figures.latency.p99_s)} ms, {_mebibytes(figures.host_bytes)} MiB{gpu}"
    )


def milliseconds(seconds: float) -> str:
    """As many digits as mean something."""
    value = seconds * 1000
    return f"{value:,.0f}" if value >= _WHOLE_MS else f"{value:.2f}"


def _numbers(figures: Figures) -> list[str]:
    latency = figures.latency
    sizes = [size for size in (figures.host_bytes, figures.device_bytes) if size is not None]
    times = [milliseconds(latency.p50_s), milliseconds(latency.p99_s)]
    return [f"{figures.texts_per_s:,.0f}", *times, *map(_mebibytes, sizes)]


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.0f}"
