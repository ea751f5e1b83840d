"""The reference statistics in a manifest: histograms of a model's results on its validation part."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, Field, model_validator

# With fewer, thresholds are so far off that only another language or another source of texts would reach them.
MIN_ROWS: Final = 100
"""Rows of a reference at least."""
MAX_BINS: Final = 100
MAX_ROWS: Final = 10**9

Count = Annotated[int, Field(ge=0, le=MAX_ROWS)]


class Histogram(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Rows by the value of a number; a value on an edge is in the bin above it."""

    edges: tuple[float, ...] = Field(max_length=MAX_BINS - 1, description="between the bins, ascending")
    counts: tuple[Count, ...] = Field(description="rows of each bin, one bin more than edges")
    mean: float = Field(description="of the rows")

    @model_validator(mode="after")
    def _bins_fit(self) -> Histogram:
        if len(self.counts) != len(self.edges) + 1:
            raise ValueError("counts must have one number more than edges")
        if any(low >= high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError("edges must ascend")
        return self


class Reference(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """What results look like where nothing has drifted; the code that serves has scored the rows."""

    rows: int = Field(ge=MIN_ROWS, le=MAX_ROWS)
    labels: dict[str, Count] = Field(description="rows by the label that the model gave")
    confidence: Histogram = Field(description="score of that label")
    entropy: Histogram = Field(description="of the probabilities, as a share of the largest possible one")
    tokens: Histogram = Field(description="length of a text, special tokens included")
    unknown_share: Histogram = Field(description="share of its tokens that the tokenizer does not know")

    @model_validator(mode="after")
    def _every_row_is_counted(self) -> Reference:
        counted = [tuple(self.labels.values())]
        counted += [one.counts for one in (self.confidence, self.entropy, self.tokens, self.unknown_share)]
        if any(sum(counts) != self.rows for counts in counted):
            raise ValueError("each histogram must count every row")
        return self
