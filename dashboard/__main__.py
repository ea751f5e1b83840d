"""The command line of the dashboard: one command, whose options are settings."""

from __future__ import annotations

from importlib.util import find_spec
from typing import NoReturn

import typer

from dashboard.settings import OTHER_COMMANDS, DashboardEnvironment
from shared.command_line import Loaded, SettingOptions
from shared.errors import SettingsError
from shared.logs import exit_with

settings_options = SettingOptions(DashboardEnvironment, others=OTHER_COMMANDS)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@settings_options(
    *("kafka.bootstrap_servers", "kafka.insecure", "group_id", "format", "text_field"),
    *("dashboard.port", "dashboard.host", "dashboard.result_topics", "dashboard.letter_topics"),
    *("dashboard.history_h", "dashboard.group_by", "dashboard.redact", "dashboard.model"),
    *("dashboard.score_url", "dashboard.metrics_urls", "dashboard.trusted_hosts", "log_level", "log_format"),
)
def dashboard(loaded: Loaded[DashboardEnvironment]) -> None:
    """Serve a page of what the results say: mood, topics, health, quality and a live sample."""
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise SettingsError("the dashboard needs FastAPI and uvicorn: pip install 'sentiment-stream[dashboard]'")
    from dashboard.start import run  # noqa: PLC0415 - FastAPI takes long, and --help does not need it

    run(loaded.settings)


def main() -> NoReturn:
    """Entry point of `sentiment-dashboard`."""
    exit_with(app)


if __name__ == "__main__":
    main()
