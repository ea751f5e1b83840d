"""The options that commands share: each is a setting of `consumer.settings`."""

from __future__ import annotations

from typing import Final

from consumer.settings import OTHER_COMMANDS, ConsumerSettings
from shared.command_line import SettingOptions

KAFKA: Final = ("kafka.bootstrap_servers", "kafka.insecure")
MODEL: Final = ("model", "device", "precision")
TOPICS: Final = ("input_topics", "output_topic", "dlq_topic")
IDENTITY: Final = ("group_id", "delivery", "instance_id")
METRICS: Final = ("metrics.port", "metrics.host")
HTTP: Final = ("http.port", "http.host")
INPUT: Final = ("text_field", "id_field")
LOGS: Final = ("log_level", "log_format")

settings_options: Final = SettingOptions(
    ConsumerSettings,
    others=OTHER_COMMANDS,
    panels={
        "Kafka": (*KAFKA, *TOPICS, *IDENTITY, "group_protocol", "auto_offset_reset"),
        "Messages": ("format", *INPUT, "on_null", "timestamps", "include_text"),
        "Model": (*MODEL, "cache"),
        "HTTP, metrics and traces": (*HTTP, *METRICS, "tracing.enabled"),
        "When to stop": ("until_idle_s", "max_messages"),
        "Logs": LOGS,
    },
    aliases={"input_topics": ("--input-topic",)},
)
