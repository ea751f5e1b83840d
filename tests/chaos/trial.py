"""Tests the suite: each mutant is caught by the invariant that should catch it, and the product is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.chaos.campaign import Part, commit_id, perform
from tests.chaos.mutants import MUTANTS, UNIT_MUTANTS
from tests.chaos.stage import Setting, make_models

if TYPE_CHECKING:
    from tests.chaos.brokers.cluster import Cluster
    from tests.chaos.mutants import Mutant, UnitMutant
    from tests.chaos.stage import Models

DRAIN_S = 240.0
SEED = 7
TESTS_FAILED = 1
"""The exit code of pytest for failed tests, and only for them."""


def run_mutants(output: Path, only: set[str]) -> bool:
    """Tries every mutant, and the product under the same faults; returns whether each is caught."""
    from tests.chaos.brokers.cluster import Cluster  # noqa: PLC0415 - only where it is started

    folder = Path(tempfile.mkdtemp(prefix="mutants-"))
    models = make_models(folder / "models")
    (folder / "nodes").mkdir()
    found: list[dict[str, Any]] = []

    def note(record: dict[str, Any]) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        found.append(record | {"date": now, "commit": commit_id(), "seed": SEED})
        print(f"{'caught' if record['caught'] else 'MISSED'} {record['module']}: {record['detail']}", flush=True)
        print(f"  without it: {record['control']}", flush=True)

    with ExitStack() as stack:
        wanted = [mutant for mutant in MUTANTS if not only or mutant.module in only]
        if wanted:
            cluster = stack.enter_context(Cluster(folder / "nodes"))
            for mutant in wanted:
                note(try_mutant(cluster, mutant, folder, models))
    for unit in UNIT_MUTANTS:
        if not only or unit.module in only:
            note(try_unit_mutant(unit))
    output.mkdir(parents=True, exist_ok=True)
    _record(output / "mutants.json", found)
    return bool(found) and all(one["caught"] for one in found)


def _record(file: Path, found: list[dict[str, Any]]) -> None:
    """Replaces the records of these mutants, and drops those of mutants that are gone."""
    older = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else []
    known = {one["module"]: one for one in [*older, *found]}
    every = [known[one.module] for one in (*MUTANTS, *UNIT_MUTANTS) if one.module in known]
    file.write_text(json.dumps(every, indent=1) + "\n", encoding="utf-8")


def try_mutant(cluster: Cluster, mutant: Mutant, folder: Path, models: Models) -> dict[str, Any]:
    """Runs the mutant and then the product under the same faults; caught means that only the product passes."""
    broken = _verdict(cluster, mutant, folder, models, module=mutant.module)
    control = _verdict(cluster, mutant, folder, models, module=None)
    return {
        "module": mutant.module,
        "bug": mutant.bug,
        "faults": ", ".join(f"{count} x {kind}" for kind, count in mutant.plan.items()),
        "caught_by": mutant.caught_by,
        "caught": not broken["holds"] and _count(broken["detail"], mutant.sign) > 0 and control["holds"],
        "detail": broken["detail"],
        "control": control["detail"],
    }


def try_unit_mutant(mutant: UnitMutant) -> dict[str, Any]:
    """Runs unit tests with the mutant and without it; caught means that one fails with it and none without it."""
    broken, control = _run_tests(mutant.tests, mutant.module), _run_tests(mutant.tests, "")
    return {
        "module": mutant.module,
        "bug": mutant.bug,
        "faults": "none",
        "caught_by": f"`{mutant.tests}`",
        "caught": broken.returncode == TESTS_FAILED and control.returncode == 0,
        "detail": _last_line(broken.stdout),
        "control": _last_line(control.stdout),
    }


def _run_tests(tests: str, module: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "--no-cov", "-p", "tests.chaos.mutants.plugin", tests]
    environment = os.environ | {"CHAOS_MUTANT": module}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _last_line(output: str) -> str:
    return (output.strip().splitlines() or ["no output"])[-1].strip("= ")


def _verdict(
    cluster: Cluster, mutant: Mutant, folder: Path, models: Models, *, module: str | None
) -> dict[str, Any]:
    setting = Setting(
        *("exactly-once", "classic", SEED, mutant.messages),
        scorer={"pass_s": mutant.pass_s, "out_of_memory": 0.0},
        mutant=module,
        pattern=mutant.pattern,
        reset=mutant.reset,
        stretch_s=mutant.stretch_s,
        drain_s=DRAIN_S,
    )
    quiet = mutant.reset == "latest"
    part = Part(mutant.module, setting, mutant.plan, mutant.gap_s, at_once=mutant.at_once, quiet=quiet)
    record, _ = perform(cluster, part, folder / f"{mutant.module}-{module or 'control'}", models)
    found: dict[str, Any] = next(one for one in record["invariants"] if one["name"] == mutant.caught_by)
    return found


def _count(detail: str, sign: str) -> int:
    """The number before a word of a verdict."""
    return int(detail.partition(f" {sign}")[0].rsplit(maxsplit=1)[-1])
