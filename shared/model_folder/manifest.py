"""The manifest of a model folder: everything that affects a score, the origin of the model, and its metrics."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic needs it at run time
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, Field, model_validator

from shared.drift.reference import Reference  # noqa: TC001 - pydantic needs it at run time
from shared.text import NORMALISER_VERSION, NormaliserOptions

FORMAT_VERSION: Final = 1
TEMPERATURES: Final = (0.01, 100.0)
"""Outside of these, probabilities in fp32 are nearly all 0 and 1, or nearly equal. A fit gives 0.1 to 10."""
MAX_BIAS: Final = 20.0
"""Of a label, up or down: a factor of 5e8 of its odds. Beyond it no row would have, or lack, the label."""
UNCERTAIN_BELOW: Final = 0.5
"""For a model of which no labelled rows said better, such as one that was adopted without data."""
MAX_TOKENS: Final = 65_536
"""No encoder here reads more than 8,192 tokens."""
MAX_SEGMENTS: Final = 1_000
"""Of 512 tokens: two million characters of English, more than a record of Kafka has by default."""


class Normaliser(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Version and options of `shared.text.normalise` that the model was trained with."""

    version: int
    options: NormaliserOptions = NormaliserOptions()


class Base(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """The pretrained model that was fine-tuned, the classifier that was adopted, or the kind of another model."""

    name: str
    revision: str = Field(
        description="commit of the hub, or SHA-256 of the weights for a local base; library of a baseline; "
        "versions of the members of an ensemble"
    )


class Decision(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """How the label follows from the probabilities: the largest product of weight and probability."""

    rule: Literal["accuracy", "macro-recall"] = Field(description="the figure that the weights make largest")
    weights: tuple[Annotated[float, Field(gt=0, le=1e9)], ...] = Field(
        description="in the order of the labels; only their ratios count"
    )


class TrainingData(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """The rows that the model was trained on, or that its probabilities were calibrated on."""

    source: str
    rows: int = Field(ge=0)
    fingerprint: str = Field(description="SHA-256 over the texts and labels in order")


class Pooling(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """What the output layer reads: the mean over the tokens of a text, special tokens included."""

    layers: tuple[Annotated[int, Field(ge=1, le=1_000)], ...] = Field(
        min_length=1, description="the mean of the outputs of these layers of the encoder, counted from 1"
    )


class LongTexts(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """How a text that is longer than `max_tokens` is read: in segments, whose answers are pooled."""

    max_segments: int = Field(ge=2, le=MAX_SEGMENTS, description="what is behind them is not read")
    overlap: int = Field(
        ge=0, le=MAX_TOKENS, description="tokens at most that two neighbours share, from the start of a sentence"
    )


class Int8(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Comparison of the int8 graph under `openvino/` with the fp32 graph; present only if they agree enough."""

    rows: int = Field(gt=0, description="held-out rows that both graphs scored")
    calibration_rows: int = Field(gt=0, description="training rows that set the ranges of the activations")
    agreement: float = Field(
        ge=0, le=1, description="share of the rows in which both give the same label the largest probability"
    )
    macro_recall: float
    macro_recall_fp32: float
    ece: float = Field(description="of the calibrated probabilities")
    ece_fp32: float
    rest: Literal["fp32", "bf16"] = Field(description="precision of operations without int8, as measured")
    libraries: dict[str, str]


class Manifest(BaseModel, frozen=True, extra="forbid", allow_inf_nan=False):
    """Everything that affects a score, the origin of the model, and its metrics."""

    format_version: Literal[1] = FORMAT_VERSION
    kind: Literal["transformer", "baseline", "cnn", "ensemble"] = Field(
        default="transformer",
        description="baseline: features times coefficients; cnn: a convolutional network over words; "
        "ensemble: the mean of its members, not served",
    )
    name: str = Field(min_length=1)
    labels: tuple[str, ...] = Field(min_length=2, description="in the order of the model's outputs")
    normaliser: Normaliser = Normaliser(version=NORMALISER_VERSION)
    # Two are special tokens: with 2, no token of a text is read.
    max_tokens: int = Field(
        gt=2,
        le=MAX_TOKENS,
        description="of one row, with special tokens; words for a baseline and a CNN",
    )
    long_texts: LongTexts | None = Field(default=None, description="null: longer texts are truncated")
    temperature: float = Field(
        default=1.0,
        ge=TEMPERATURES[0],
        le=TEMPERATURES[1],
        description="logits are divided by it before the softmax",
    )
    bias: tuple[Annotated[float, Field(ge=-MAX_BIAS, le=MAX_BIAS)], ...] | None = Field(
        default=None,
        description="of each label, added to the logits after they were divided by the temperature; null: none",
    )
    decision: Decision | None = Field(default=None, description="null: the label with the largest probability")
    uncertain_below: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description=f"results with a lower score are uncertain; null: not chosen on data, {UNCERTAIN_BELOW}",
    )
    polarity: dict[str, Literal[-1, 0, 1]] | None = Field(
        default=None, description="of the labels where it is known; null: of none"
    )
    pooling: Pooling | None = Field(
        default=None, description="null: as the architecture does, mostly the first token and a head of two layers"
    )
    class_priors: dict[str, float] | None = Field(
        default=None,
        description="share of each label in the training data; null: unknown, as for an adopted model",
    )
    reference: Reference | None = Field(
        default=None,
        description="statistics of the results on the validation rows, for drift; null: none, or too few rows",
    )
    base: Base
    data: TrainingData | None = Field(
        default=None,
        description="null: not known, as for an adopted model, or for an ensemble of members with other data each",
    )
    calibration: TrainingData | None = Field(
        default=None, description="the rows that temperature and bias were fitted on; null: not calibrated"
    )
    training: dict[str, Any] = Field(default_factory=dict, description="settings that can change the result")
    libraries: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, Any] = Field(default_factory=dict)
    int8: Int8 | None = None
    created_at: datetime
    files: dict[str, str] = Field(default_factory=dict, description="SHA-256 by path, this file excepted")

    @model_validator(mode="after")
    def _priors_name_the_labels(self) -> Manifest:
        if self.class_priors is not None and sorted(self.class_priors) != sorted(self.labels):
            raise ValueError("class_priors must name exactly the labels")
        return self

    @model_validator(mode="after")
    def _overlap_leaves_room(self) -> Manifest:
        if self.long_texts is not None and self.long_texts.overlap > self.max_tokens // 4:
            raise ValueError("long_texts.overlap must be at most a quarter of max_tokens")
        return self

    @model_validator(mode="after")
    def _one_number_for_each_label(self) -> Manifest:
        weights = None if self.decision is None else self.decision.weights
        for name, numbers in (("bias", self.bias), ("decision.weights", weights)):
            if numbers is not None and len(numbers) != len(self.labels):
                raise ValueError(f"{name} must have a number for each label")
        if not set(self.polarity or ()) <= set(self.labels):
            raise ValueError("polarity must name labels of the model")
        if self.reference is not None and tuple(self.reference.labels) != self.labels:
            raise ValueError("reference.labels must name exactly the labels, in their order")
        return self

    @property
    def reads_words(self) -> bool:
        """Whether its tokens are words, and numpy on the CPU computes it: a baseline or a CNN."""
        return self.kind in {"baseline", "cnn"}

    @property
    def is_adopted(self) -> bool:
        """Whether somebody else fine-tuned the model."""
        return self.kind == "transformer" and self.data is None
