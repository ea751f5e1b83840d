"""`sentiment-consumer config show`: the settings in effect and what they make of the Kafka client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shared.kafka.client import shown_config
from shared.settings import effective

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from consumer.settings import ConsumerSettings


def lines(settings: ConsumerSettings, origins: Mapping[str, str]) -> Iterator[str]:
    """Yields YAML that is a settings file itself, but for masked values; a comment names each value's origin."""
    for name, value in effective(settings).items():
        yield f"{_yaml(name, value)}  # {origins.get(name, 'default')}"
    yield ""
    yield "# librdkafka, as every client here gets it from these settings; each adds what delivery depends on:"
    for key, value in shown_config(settings.kafka).items():
        yield f"# {_yaml(key, value)}"


def _yaml(name: str, value: Any) -> str:
    """One line; every JSON value is one of YAML, too."""
    return f"{name}: {json.dumps(value, ensure_ascii=False)}"
