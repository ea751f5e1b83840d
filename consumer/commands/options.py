"""Command-line options that commands of more than one module share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path | None, typer.Option("--config", help="YAML file of settings.")]
Servers = Annotated[str | None, typer.Option("--bootstrap-servers", help="host:port[,host:port]")]
Insecure = Annotated[
    bool | None, typer.Option("--insecure", help="Allow plaintext, or an unverified broker, off this machine.")
]
Dlq = Annotated[str | None, typer.Option("--dlq-topic", help="Topic for dead letters.")]
LogLevel = Annotated[str | None, typer.Option("--log-level", help="debug, info, warning or error.")]
