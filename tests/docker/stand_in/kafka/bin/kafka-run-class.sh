#!/usr/bin/env bash
# kafka-run-class.sh CLASS ARGUMENT...
exec java ${KAFKA_HEAP_OPTS:--Xmx512m} -Dorg.slf4j.simpleLogger.defaultLogLevel="${LOG_LEVEL:-info}" \
    -Dorg.slf4j.simpleLogger.logFile=System.out -cp '/opt/kafka/libs/*' "$@"
