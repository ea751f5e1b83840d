"""`python -m sentiment_testing`: a local Apache Kafka in the foreground, for a person."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import Final

from sentiment_testing.errors import BrokerError
from sentiment_testing.kafka.java import local_node

NEXT_STEPS: Final = """\
{description}

  consumer:  export SENTIMENT_KAFKA__BOOTSTRAP_SERVERS={address}
             .venv/bin/sentiment-consumer topics create
             .venv/bin/sentiment-consumer run
  tests:     KAFKA_BOOTSTRAP_SERVERS={address} make test
  its log:   {log}

Ctrl-C stops it and deletes its data.
"""


def main() -> int:
    """Runs the local broker until Ctrl-C or SIGTERM; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m sentiment_testing",
        description="Starts a local Apache Kafka on 127.0.0.1 in the foreground (needs Java 17 and Maven).",
    )
    parser.add_argument("--port", type=int, default=9092, help="0 takes a free one (default: %(default)s)")
    port = parser.parse_args().port
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both ways to stop unwind alike
    try:
        with local_node(port) as node:
            address = node.broker.bootstrap_servers
            text = NEXT_STEPS.format(description=node.broker.description, address=address, log=node.log)
            sys.stdout.write(text)
            sys.stdout.flush()
            code = node.process.wait()
        sys.stderr.write(f"Kafka ended by itself with code {code}.\n")
    except BrokerError as error:
        sys.stderr.write(f"{error}\n")
    except KeyboardInterrupt:
        sys.stdout.write("Stopped.\n")
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
