"""Whether `sentiment-consumer plan` is accurate: its predicted rate, and the rate that `run` then reaches.

`plan` measures a sample of tweets and writes a settings file. The consumer is started with that file on a real
Kafka and processes as many tweets. Both are processes like an operator's.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.common.measure import arguments, ratio, spread, write
from benchmarks.common.programs import ours
from benchmarks.common.streams import run
from benchmarks.common.texts import distinct, of_file, tweets
from sentiment_testing.kafka import REAL, start_kafka

if TYPE_CHECKING:
    from collections.abc import Sequence

DELIVERIES: Final = ("at-least-once", "exactly-once")
WARM_UP: Final = 1_024


def main() -> None:
    """Measures, prints the figures and writes them as JSON."""
    parser = arguments(__doc__)
    parser.add_argument("--messages", type=int, default=4_096)
    parser.add_argument("--seconds", type=float, default=3.0, help="duration of each measurement of plan")
    options = parser.parse_args()
    if options.quick:
        options.messages, options.seconds = 512, 0.2
    source = of_file(options.texts) if options.texts else tweets()
    texts = distinct(source, WARM_UP + options.messages)
    promised: list[float] = []
    reached: dict[str, list[float]] = {delivery: [] for delivery in DELIVERIES}
    with start_kafka(REAL) as kafka, tempfile.TemporaryDirectory() as folder:
        sample = Path(folder) / "sample.jsonl"
        sample.write_text("".join(json.dumps({"text": text}) + "\n" for text in source), encoding="utf-8")
        for number in range(options.rounds + 1):
            file = Path(folder) / f"plan-{number}.yaml"
            rate = _plan(options.model, sample, file, options.seconds)
            print(f"  plan promises {rate:,.0f} a second{'' if number else ' (discarded)'}", flush=True)
            for delivery in DELIVERIES:
                program = ours(options.model, delivery, config=file)
                seen = run(kafka.bootstrap_servers, program, texts, warm_up=WARM_UP).rate
                print(f"  run, {delivery}: {seen:,.0f} a second{'' if number else ' (discarded)'}", flush=True)
                if number:
                    reached[delivery].append(seen)
            if number:
                promised.append(rate)
        figures: dict[str, Any] = {
            "plan": {"messages_per_s": spread(promised)},
            **{
                f"run, {delivery}": {"messages_per_s": spread(own), "ratio": ratio(own, promised)}
                for delivery, own in reached.items()
            },
        }
        write("planned", figures, options, kafka=kafka.description)


def _plan(model: Path, sample: Path, file: Path, seconds: float) -> float:
    """Lets `plan` write the file; returns the rate in it."""
    program = str(Path(sys.executable).with_name("sentiment-consumer"))
    arguments_: Sequence[str] = ["--model", str(model), "--sample", str(sample), "--seconds", str(seconds)]
    subprocess.run(
        [program, "plan", *arguments_, "--output", str(file)], check=True, capture_output=True, text=True
    )
    found = re.search(r"([\d,]+) texts/s", file.read_text(encoding="utf-8"))
    if found is None:
        raise LookupError(f"{file} does not show a rate")
    return float(found[1].replace(",", ""))


if __name__ == "__main__":
    main()
