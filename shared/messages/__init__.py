"""Message models of the topics, which are the contract: input, result, dead letter, replay receipt and label."""

from __future__ import annotations

from shared.messages.dead_letters import (
    REASON_BYTES,
    RECEIPT_KEY,
    DeadLetterHeaders,
    Headers,
    ReplayReceiptHeaders,
)
from shared.messages.labels import Label, LabelKey, LabelledRecord, text_sha256
from shared.messages.results import (
    SCHEMA_HEADER,
    SCHEMA_VERSION,
    InputMessage,
    ModelRef,
    Result,
    SourceRef,
    is_result,
)
from shared.messages.schemas import schemas

__all__ = [
    "REASON_BYTES",
    "RECEIPT_KEY",
    "SCHEMA_HEADER",
    "SCHEMA_VERSION",
    "DeadLetterHeaders",
    "Headers",
    "InputMessage",
    "Label",
    "LabelKey",
    "LabelledRecord",
    "ModelRef",
    "ReplayReceiptHeaders",
    "Result",
    "SourceRef",
    "is_result",
    "schemas",
    "text_sha256",
]
