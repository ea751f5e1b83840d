"""The consumer as a static member, `group.instance.id` being its instance id: only for `kill_recovery`.

The consumer's own settings refuse that property (decisions 17 and 34).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consumer.__main__ import main
from consumer.kafka import source
from consumer.kafka.group_client import group_client_config

if TYPE_CHECKING:
    from consumer.settings import ConsumerSettings
    from shared.kafka.errors import ClientErrors


def _static(settings: ConsumerSettings, errors: ClientErrors) -> dict[str, Any]:
    return {**group_client_config(settings, errors), "group.instance.id": settings.instance_id}


if __name__ == "__main__":
    vars(source)["group_client_config"] = _static
    main()
