#!/usr/bin/env bash
export KAFKA_HEAP_OPTS=-Xmx256m LOG_LEVEL=warn
exec /opt/kafka/bin/kafka-run-class.sh org.apache.kafka.tools.BrokerApiVersionsCommand "$@"
