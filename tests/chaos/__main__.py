"""`python -m tests.chaos`: the full campaign, or the mutants; both write records and a page.

`python -m tests.chaos alone --only "topic added,outage"` tries kinds of faults one by one and only prints.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.chaos.campaign import FULL, alone, run_alone, run_campaign
from tests.chaos.trial import run_mutants
from tests.chaos.verdict.report import write

OUTPUT = Path("docs/reliability")


def main() -> int:
    """Returns 0 if every invariant holds and every mutant is caught."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("what", choices=["campaign", "mutants", "alone"], nargs="?", default="campaign")
    parser.add_argument("--only", help="names of parts, mutants or kinds of faults, separated by commas")
    parser.add_argument("--delivery", default="exactly-once")
    parser.add_argument("--protocol", default="classic")
    parser.add_argument("--reset", default="earliest")
    parser.add_argument("--times", type=int, default=2, help="how often each kind of fault is tried alone")
    parser.add_argument("--again", action="store_true", help="run parts again that already have a record")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    only = set((arguments.only or "").split(",")) - {""}
    if arguments.what == "alone":
        named = (arguments.delivery, arguments.protocol, arguments.reset, arguments.times)
        return 0 if run_alone(tuple(alone(kind, *named) for kind in sorted(only))) else 1
    if arguments.what == "mutants":
        holds = run_mutants(arguments.output, only)
    else:
        parts = tuple(part for part in FULL if not only or part.name in only)
        holds = run_campaign(parts, arguments.output, again=arguments.again)
    if arguments.output.is_dir():
        print(f"page: {write(arguments.output)}")
    return 0 if holds else 1


if __name__ == "__main__":
    sys.exit(main())
