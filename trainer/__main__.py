"""The command line of the trainer; each command is the module of `trainer.commands` with its name.

Commands import their dependencies when they run: importing torch takes seconds, which `--help` does not need.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Final, NoReturn

import typer

from shared.errors import SettingsError
from shared.logs import exit_with
from trainer.commands.adapt import adapt
from trainer.commands.adopt import adopt
from trainer.commands.archive import archive
from trainer.commands.compare import compare
from trainer.commands.ensemble import ensemble
from trainer.commands.evaluate import evaluate
from trainer.commands.export import export
from trainer.commands.fetch import fetch
from trainer.commands.inspect import inspect
from trainer.commands.report import report
from trainer.commands.train import train
from trainer.commands.tune import tune
from trainer.models.distributed.processes import run_process
from trainer.models.distributed.world import refuse_other_commands

NEEDED: Final = ("torch", "transformers", "sklearn", "pyarrow")
"""Of the extra `trainer`, which may be missing where only a consumer is installed."""

app = typer.Typer(
    name="sentiment-trainer",
    help="Makes sentiment models: fetch or archive texts, inspect them, train, evaluate.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # `exit_with` reports errors, in one line
)
for command in (fetch, inspect, adapt, train, tune, adopt, archive, evaluate, compare, ensemble, report, export):
    app.command()(command)


@app.callback()
def require_extra(context: typer.Context) -> None:  # noqa: D103 - would be shown as the help of the whole program
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise SettingsError(
            f"sentiment-trainer needs {', '.join(missing)}: pip install 'sentiment-stream[trainer]'"
        )
    refuse_other_commands(context.invoked_subcommand)


def main() -> NoReturn:
    """Runs the command line and exits with the code of `shared.errors`."""
    # Waiting threads of torch must not spin: with another busy process on 2 cores, a training step took 6.2 s
    # with spinning and 0.4 s with sleeping threads. torch reads the variable when it is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    exit_with(lambda: run_process(app))


if __name__ == "__main__":
    main()
