"""The settings, their `--help` and the committed reference agree."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from consumer.__main__ import app as consumer_app
from consumer.settings import ConsumerSettings
from dashboard.__main__ import app as dashboard_app
from dashboard.settings import DashboardEnvironment
from shared.command_line import SettingOptions
from shared.settings import Settings, field_of, leaf_names
from shared.settings_reference import reference
from trainer.__main__ import app as trainer_app
from trainer.settings import TrainerEnvironment

if TYPE_CHECKING:
    import typer

PAGE = Path(__file__).parents[3] / "docs" / "settings.md"
MODELS = (ConsumerSettings, DashboardEnvironment, TrainerEnvironment)


def test_the_committed_page_is_that_of_the_models() -> None:
    """Given docs/settings.md, when it is generated again, then nothing differs; else run `make reference`."""
    assert PAGE.read_text(encoding="utf-8") == reference(*MODELS)


@pytest.mark.slow
def test_the_module_writes_the_page(tmp_path: Path) -> None:
    """Given a file and models by name, when the module is run, then the file contains the page."""
    names = [f"{model.__module__}:{model.__name__}" for model in MODELS]
    command = [sys.executable, "-m", "shared.settings_reference", str(tmp_path / "page.md"), *names]
    subprocess.run(command, check=True, timeout=60)

    assert (tmp_path / "page.md").read_text(encoding="utf-8") == reference(*MODELS)


@pytest.mark.parametrize(
    ("model", "name"), [(model, name) for model in MODELS for name in leaf_names(model)], ids=str
)
def test_every_setting_is_described(model: type[Settings], name: str) -> None:
    """Given any setting, when its description is read, then it is a sentence."""
    description = field_of(model, name).description or ""

    assert description.strip().endswith((".", "</>")), f"{name}: add a string below the field"


@pytest.mark.parametrize(
    ("app", "arguments", "says"),
    [
        (
            consumer_app,
            ["run"],
            ("--input-topic", "--input-topics", "exactly-once|at-least-once"),
        ),
        (consumer_app, ["dlq", "replay"], ("--dlq-topic", "--bootstrap-servers", "--config", "--rate")),
        (dashboard_app, [], ("--result-topics", "(default: sentiments)", "--score-url", "--group-by", "--port")),
        (trainer_app, ["train"], ("--ema-decay", "(default: 0.98)", "--held-out")),
    ],
    ids=["run", "dlq replay", "dashboard", "train"],
)
def test_help_says_what_the_settings_say(app: typer.Typer, arguments: list[str], says: tuple[str, ...]) -> None:
    """Given a command, when run with --help, then its settings are there with their values and defaults."""
    shown = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "240", "TERMINAL_WIDTH": "240"})

    assert shown.exit_code == 0
    words = " ".join(shown.output.split())
    for one in says:
        assert one in words


@pytest.mark.parametrize(
    ("app", "command", "headings"),
    [
        (consumer_app, "run", ["Kafka", "Messages", "Model", "HTTP, metrics and traces", "When to stop", "Logs"]),
        (
            trainer_app,
            "train",
            [
                *("Model", "Files", "Columns and labels", "Parts", "Teacher", "Training"),
                *("Labels and probabilities of results", "Gates", "Machine and logs"),
            ],
        ),
    ],
    ids=["run", "train"],
)
def test_help_has_a_panel_for_each_group_of_settings(app: typer.Typer, command: str, headings: list[str]) -> None:
    """Given a command with many settings, when run with --help, then they are under headings, in their order."""
    shown = CliRunner().invoke(app, [command, "--help"], env={"TERMINAL_WIDTH": "100"})

    assert re.findall(r"╭─ (.+?) ─", shown.output) == ["Options", *headings]


def test_a_setting_without_a_panel_is_an_error_at_import() -> None:
    """Given panels that lack a setting, when a command takes the setting, then its name is in the error."""
    options = SettingOptions(TrainerEnvironment, others=(), panels={"Logs": ("log_level",)})

    with pytest.raises(ValueError, match="without a panel: log_format"):
        options("log_level", "log_format")
