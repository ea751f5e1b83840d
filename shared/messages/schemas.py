"""JSON Schemas of the message models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shared.messages.dead_letters import DeadLetterHeaders, ReplayReceiptHeaders
from shared.messages.labels import Label
from shared.messages.results import InputMessage, Result

if TYPE_CHECKING:
    from pydantic import BaseModel


def schemas() -> dict[str, str]:
    """JSON Schemas by file name, as committed in docs/schemas/."""
    models: dict[str, type[BaseModel]] = {
        "input": InputMessage,
        "result": Result,
        "dead-letter-headers": DeadLetterHeaders,
        "replay-receipt-headers": ReplayReceiptHeaders,
        "label": Label,
    }
    return {
        f"{name}.schema.json": json.dumps(model.model_json_schema(by_alias=True), indent=2) + "\n"
        for name, model in models.items()
    }
