"""A real Prometheus on this machine, with the rules of `deploy/prometheus`, and what it answers."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from tests.conftest import skip_or_fail
from tests.support.processes import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEPLOY: Final = Path(__file__).parents[3] / "deploy/prometheus"
START_S: Final = 30.0
STOP_S: Final = 10.0


def program(name: str) -> str:
    """The path of `prometheus` or `promtool`."""
    return shutil.which(name) or skip_or_fail(f"no {name} on the PATH: `make test-observe` fetches it on Debian")


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs promtool to its end."""
    return subprocess.run(
        [program("promtool"), *arguments], capture_output=True, text=True, timeout=120, check=False
    )


class Prometheus:
    """The HTTP API of a running one."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer; fails with Prometheus' own error."""
        try:
            with urlopen(
                f"http://127.0.0.1:{self.port}/api/v1/{path}?{urlencode(parameters)}", timeout=30
            ) as answer:
                return json.load(answer)["data"]
        except HTTPError as error:
            raise AssertionError(json.load(error)["error"]) from None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query now."""
        result: list[dict[str, Any]] = self.get("query", query=expression)["result"]
        return result

    def sums(self, expression: str, label: str) -> dict[str, int]:
        """The values of an instant query by a label, without zeros."""
        values = {one["metric"].get(label, ""): int(float(one["value"][1])) for one in self.query(expression)}
        return {name: value for name, value in values.items() if value}

    def last_scrape(self, instance: str, metric: str) -> float:
        """When the newest samples of a process were asked for, in seconds since 1970."""
        series = self.query(f'{metric}{{instance="{instance}"}}[10m]')
        return max(float(one["values"][-1][0]) for one in series)

    def await_up(self, targets: int) -> None:
        """Returns once enough targets have answered twice: one that stops waits for a last scrape only then."""
        deadline = time.monotonic() + START_S
        while len(self.query("sum_over_time(up[10m]) >= 2")) < targets:
            assert time.monotonic() < deadline, f"{self.get('targets')}"
            time.sleep(0.2)


@contextmanager
def prometheus(folder: Path, ports: Sequence[int], *, interval: str = "1s") -> Iterator[Prometheus]:
    """Runs one that scrapes these ports of this machine, with the committed configuration and other intervals."""
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval}
    config["rule_files"] = [str(DEPLOY / "rules/*.yml")]
    config["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
    file, port = folder / "prometheus.yml", free_port()
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [
        program("prometheus"),
        *(
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ),
    ]
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        found = Prometheus(port)
        _await_ready(found, process, folder / "prometheus.log")
        yield found
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(found: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            with urlopen(f"http://127.0.0.1:{found.port}/-/ready", timeout=5):
                return
        except (URLError, OSError):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-2000:]  # noqa: PT018
            time.sleep(0.1)
