#!/usr/bin/env bash
# replay.sh BROKER TOPIC: writes the made-up texts next to this file to a topic, five a second, in another order in
# each round, until it is killed.
set -euo pipefail
while true; do
    shuf "$(dirname "$0")/texts.jsonl" | while read -r line; do
        printf '%s\n' "$line"
        sleep 0.2
    done
done | /opt/kafka/bin/kafka-console-producer.sh --bootstrap-server "$1" --topic "$2"
