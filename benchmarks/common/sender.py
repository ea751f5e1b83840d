"""An open-loop sender: each message has its own due time and never waits for an answer.

Messages form a Poisson process, like those of many independent users. What counts is a message's due time, which
is in its id (`number:microseconds`); if the sender is late, that is part of the latency. Started by `latency.py`
as a process of its own; prints how late it was, in milliseconds.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

import numpy as np
from confluent_kafka import Producer

from benchmarks.common.streams import HEADERS, KEYS, PARTITIONS, quiet


def main() -> None:
    """Sends `rate` messages a second for `seconds`; the texts are in a file of JSON Lines."""
    servers, topic, file, rate, seconds, seed = sys.argv[1:]
    texts = Path(file).read_text(encoding="utf-8").splitlines()
    gaps = random.Random(int(seed))  # noqa: S311 - a schedule
    # Lingering would be latency of the sender's own.
    producer = Producer({**quiet(servers), "linger.ms": 0})
    producer.list_topics(topic, timeout=10)
    lateness = []
    due = began = time.time() + 0.5
    for number, text in enumerate(texts):
        due += gaps.expovariate(float(rate))
        if due > began + float(seconds):
            break
        while (wait := due - time.time()) > 0:
            time.sleep(wait)
        lateness.append(-wait)
        value = f'{{"id": "{number}:{due * 1e6:.0f}", "text": {text}}}'
        key = number % KEYS
        producer.produce(topic, value=value, key=f"source-{key}", headers=HEADERS, partition=key % PARTITIONS)
        producer.poll(0)
    if producer.flush(30):
        raise TimeoutError("not all was sent")
    p99 = float(np.percentile(lateness, 99)) * 1000
    print(json.dumps({"sent": len(lateness), "late_p99_ms": round(p99, 2)}))


if __name__ == "__main__":
    main()
