"""The parts of the full chaos campaign, each a run with a seed; a finished part is not repeated.

`python -m tests.chaos` runs the missing parts and writes the report. The counts are several times those of the
faults that other projects test with; together they are more than a thousand faults.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from tests.chaos.faults.plan import Chaos
from tests.chaos.real import baseline_models, demo_models
from tests.chaos.stage import SESSION_S, Setting, Stage, make_models

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.chaos.brokers.cluster import Cluster
    from tests.chaos.stage import Models
    from tests.chaos.verdict.reader import Verdict

READY_S: Final = 40.0
PINNED_S: Final = 20.0
"""Time limit within which a group that begins at the end has committed its start positions."""

COMMON: Final = {
    "consumer kill -9": 70,
    "failpoint": 39,
    "zombie": 10,
    "consumer restart": 10,
    "replica added or removed": 30,
    "broker kill -9": 9,
    "broker restart": 5,
    "broker pause": 5,
    "connections reset": 26,
    "connections stalled": 12,
    "black hole": 12,
    "latency": 12,
    "model swap": 8,
    "corrupt model": 4,
    "group down": 4,
    "topic added": 8,
    "topic deleted": 6,
    "topic recreated": 8,
    "partition added": 8,
    "slow leader at start": 4,
    "hung pass": 3,
    "stderr blocked": 6,
    # Each of these runs alone for half a minute.
    "outage": 2,
    "decompression bomb": 2,
    "text that kills": 2,
}
TRANSACTIONAL: Final = {"delayed EndTxn": 12, "duplicate transactional.id": 6}

REAL_PLAN: Final = {
    "consumer kill -9": 5,
    "failpoint": 6,
    "zombie": 1,
    "consumer restart": 1,
    "replica added or removed": 2,
    "broker kill -9": 1,
    "broker pause": 1,
    "connections reset": 2,
    "connections stalled": 1,
    "latency": 1,
    "corrupt model": 1,
    "delayed EndTxn": 2,
    "duplicate transactional.id": 1,
}
BASELINE_PLAN: Final = {
    **REAL_PLAN,
    "consumer kill -9": 15,
    "failpoint": 20,
    "crash in a publish": 3,
    "broker restart": 1,
    "black hole": 1,
    "model swap": 4,
    "group down": 1,
    "topic added": 1,
    "topic recreated": 1,
    "partition added": 1,
}


@dataclass(frozen=True, slots=True)
class Part:
    """One run of the campaign."""

    name: str
    setting: Setting
    plan: Mapping[str, int]
    gap_s: tuple[float, float] = (0.1, 0.8)
    """Seconds between a commit that advanced after the last fault and the next fault; uniformly random."""
    progress_s: float = 1.5
    """How long the next fault waits for such a commit."""
    at_once: bool = False
    """Whether all messages are sent before the first fault, so that there is always work in progress."""
    calm: bool = False
    """Whether the next fault waits until the group has recovered from the last."""
    quiet: bool = False
    """Whether the first messages arrive while the group, which has run before without any, is down."""


def _part(delivery: str, protocol: str, seed: int, reset: str) -> Part:
    plan = COMMON | (TRANSACTIONAL if delivery == "exactly-once" else {})
    setting = Setting(delivery, protocol, seed, messages=250_000, reset=reset, pattern=True)
    return Part(f"{delivery}-{protocol}-{seed}", setting, plan, quiet=reset == "latest")


FULL: Final = (
    _part("exactly-once", "classic", 1, "earliest"),
    _part("exactly-once", "consumer", 2, "latest"),
    _part("at-least-once", "classic", 3, "latest"),
    _part("at-least-once", "consumer", 4, "earliest"),
    Part(
        "fifty-kills",
        # 2,000 messages a kill are 0.8 s of work for two members, a fifth of it in transactions: enough that some
        # kills fall into one, and little enough that they do not add to the time of recovery.
        Setting("exactly-once", "classic", 5, messages=100_000, scorer={"pass_s": 0.02}),
        {"consumer kill -9": 50},
        calm=True,
    ),
    Part(
        "real-exactly-once",
        Setting("exactly-once", "classic", 6, messages=8_000, drain_s=300.0, scorer_of="demo", max_rss_mb=1_500),
        REAL_PLAN,
        gap_s=(5.0, 8.0),
    ),
    Part(
        "real-baselines-exactly-once",
        Setting("exactly-once", "classic", 8, messages=150_000, scorer_of="baselines", pattern=True),
        BASELINE_PLAN,
    ),
)
MODELS: Final[Mapping[str, Callable[[Path], Models]]] = MappingProxyType(
    {"oracle": make_models, "demo": demo_models, "baselines": baseline_models}
)

SLICE_RECOVERY_S: Final = SESSION_S + 15
"""Other tests run beside a slice: with two processors 11.1 s were seen."""
SLICE_PLAN: Final = {
    "consumer kill -9": 3,
    "failpoint": 6,
    "crash in a publish": 1,
    "zombie": 1,
    "replica added or removed": 2,
    "broker kill -9": 1,
    "broker restart": 1,
    "connections reset": 1,
    "connections stalled": 1,
    "black hole": 1,
    "latency": 1,
    "model swap": 1,
    "corrupt model": 1,
}


SLICES: Final[Mapping[tuple[str, str], Mapping[str, int]]] = MappingProxyType(
    {
        ("exactly-once", "classic"): {"topic recreated": 1},
        ("exactly-once", "consumer"): {"topic deleted": 1, "partition added": 1, "slow leader at start": 1},
        ("at-least-once", "classic"): {"stderr blocked": 1, "group down": 1},
    }
)
"""Runs in only one of the slices, since each of these takes seconds."""


def slice_of(delivery: str, protocol: str) -> Part:
    """A small run of every kind of fault that takes only seconds, for `make test`."""
    plan = {**SLICE_PLAN, **SLICES[delivery, protocol]}
    if delivery == "exactly-once":
        plan |= {"delayed EndTxn": 1, "duplicate transactional.id": 1}
    setting = Setting(delivery, protocol, 11, messages=20_000, pattern=True, recovery_s=SLICE_RECOVERY_S)
    return Part(f"slice-{delivery}-{protocol}", setting, plan)


def alone(kind: str, delivery: str, protocol: str, reset: str, times: int) -> Part:
    """A run of only one kind of fault."""
    setting = Setting(delivery, protocol, 11, messages=3_000 * times, reset=reset, pattern=True, drain_s=60.0)
    name = f"{kind.replace(' ', '-')}-{delivery}-{protocol}-{reset}"
    return Part(name, setting, {kind: times}, quiet=reset == "latest")


def perform(cluster: Cluster, part: Part, folder: Path, models: Models) -> tuple[dict[str, Any], list[Verdict]]:
    """Runs one part on a running cluster; returns its record and the verdicts."""
    folder.mkdir(parents=True)
    stage = Stage(cluster, part.setting, folder, models)
    try:
        for number in range(part.setting.members):
            stage.add_member(f"m{number}").await_ready(READY_S)
        if part.setting.reset == "latest" and not stage.monitor.await_commits(PINNED_S):
            stage.complaints.append("the group has not committed its start positions")
        Chaos(stage, part.setting.seed).run(part)
        stage.drain()
        verdicts = stage.verdicts()
        record = {
            "part": part.name,
            "delivery": part.setting.delivery,
            "protocol": part.setting.protocol,
            "seed": part.setting.seed,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "commit": commit_id(),
            "machine": _machine(),
            **stage.summary(),
            "holds": all(verdict.holds for verdict in verdicts),
            "invariants": [asdict(verdict) for verdict in verdicts],
            "held_end_txn": cluster.proxy.held() if "delayed EndTxn" in part.plan else [],
            "log": [asdict(fault) for fault in stage.faults],
        }
    finally:
        stage.close()
    return record, verdicts


def run_campaign(parts: tuple[Part, ...], output: Path, *, again: bool) -> bool:
    """Runs the parts that have no record in `output`, each on a fresh cluster; returns whether all hold."""
    from tests.chaos.brokers.cluster import Cluster  # noqa: PLC0415 - only where it is started

    output.mkdir(parents=True, exist_ok=True)
    holds = True
    for part in parts:
        file = output / f"{part.name}.json"
        if file.is_file() and not again:
            print(f"{part.name}: already done, see {file}")
            holds &= json.loads(file.read_text(encoding="utf-8"))["holds"]
            continue
        began = time.monotonic()
        folder = Path(tempfile.mkdtemp(prefix=f"chaos-{part.name}-"))
        print(f"{part.name}: {sum(part.plan.values())} faults, {part.setting.messages} messages, logs in {folder}")
        models = MODELS[part.setting.scorer_of](folder / "models")
        (folder / "nodes").mkdir()
        with Cluster(folder / "nodes") as cluster:
            record, verdicts = perform(cluster, part, folder / "members", models)
        file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        for verdict in verdicts:
            print(f"  {'ok  ' if verdict.holds else 'FAIL'} {verdict.name}: {verdict.detail}")
        print(f"  {time.monotonic() - began:.0f} s, written to {file}", flush=True)
        holds &= record["holds"]
    return holds


def run_alone(parts: tuple[Part, ...]) -> bool:
    """Runs parts one after another on one cluster and prints the results; returns whether all hold."""
    from tests.chaos.brokers.cluster import Cluster  # noqa: PLC0415 - only where it is started

    folder = Path(tempfile.mkdtemp(prefix="chaos-alone-"))
    models = make_models(folder / "models")
    (folder / "nodes").mkdir()
    holds = True
    with Cluster(folder / "nodes") as cluster:
        for part in parts:
            record, verdicts = perform(cluster, part, folder / part.name, models)
            # Without a crash in a publish there is nothing to abort.
            broken = [verdict for verdict in verdicts if not verdict.holds and verdict.name != "faults bit"]
            holds &= not broken
            print(f"{'ok  ' if not broken else 'FAIL'} {part.name}: {record['seconds']} s, {folder / part.name}")
            for verdict in broken:
                print(f"  {verdict.name}: {verdict.detail}", flush=True)
    return holds


def commit_id() -> str:
    """The commit that is checked out."""
    done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _machine() -> str:
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    return f"{os.cpu_count()} cores, {model[1] if model else platform.machine()}, everything on one machine"
