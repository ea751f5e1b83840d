"""Names of the messaging semantic conventions that the spans use, as of `SCHEMA`.

Written down here and not imported: the package keeps them in a private module as long as they are not stable, and
version 1.45 renames `messaging.system` and `messaging.kafka.offset`. An upgrade of the package must not rename
what searches and boards ask for.
"""

from __future__ import annotations

from typing import Final

SCHEMA: Final = "https://opentelemetry.io/schemas/1.44.0"

SYSTEM: Final = "messaging.system"
OPERATION_NAME: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
PARTITION: Final = "messaging.destination.partition.id"
GROUP: Final = "messaging.consumer.group.name"
CLIENT: Final = "messaging.client.id"
COUNT: Final = "messaging.batch.message_count"
OFFSET: Final = "messaging.kafka.offset"
ERROR: Final = "error.type"

KAFKA: Final = "kafka"
