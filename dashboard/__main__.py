"""The command line of the dashboard: one command, whose options are settings."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Final, NoReturn

import typer

from dashboard.settings import OTHER_COMMANDS, DashboardEnvironment
from shared.command_line import Loaded, SettingOptions
from shared.errors import SettingsError
from shared.logs import exit_with

KAFKA: Final = ("kafka.bootstrap_servers", "kafka.insecure", "dashboard.result_topics", "dashboard.letter_topics")
TEXTS: Final = ("format", "text_field", "dashboard.redact")
SHOWN: Final = ("dashboard.history_h", "dashboard.group_by")
CONNECTED: Final = (
    "group_id",
    "dashboard.model",
    "dashboard.score_url",
    "dashboard.labels_topic",
    "dashboard.metrics_urls",
)
HTTP: Final = ("dashboard.port", "dashboard.host", "dashboard.trusted_hosts")
LOGS: Final = ("log_level", "log_format")

settings_options: Final = SettingOptions(
    DashboardEnvironment,
    others=OTHER_COMMANDS,
    panels={
        "Kafka": KAFKA,
        "Texts": TEXTS,
        "What is shown": SHOWN,
        "What else is connected": CONNECTED,
        "The page": HTTP,
        "Logs": LOGS,
    },
)
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
@settings_options(*KAFKA, *TEXTS, *SHOWN, *CONNECTED, *HTTP, *LOGS)
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
