"""A result with the reasons for its label, as `score --explain` prints it and `POST /v1/explain` answers."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from shared.messages.results import Result


class WordWeight(BaseModel, frozen=True):
    """A word of the normalised text, or neighbours that share a weight."""

    text: str
    weight: float = Field(
        description="what it adds to the log-odds of the label; negative if it speaks against it"
    )


class ExplanationOfLabel(BaseModel, frozen=True):
    """Why a text has its label."""

    method: Literal["occlusion", "gradients"]
    label: str
    log_odds: float = Field(description="log(p / (1 - p)) of the label's probability p")
    words: tuple[WordWeight, ...] = Field(description="in the order of the text")


class ExplainedResult(Result, frozen=True):
    """A result and why it has its label."""

    explanation: ExplanationOfLabel
