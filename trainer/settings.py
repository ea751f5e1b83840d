"""What a user may set, and its bounds; command line over environment over file over these defaults.

The names of the consumer may stand in the same environment: they are passed over.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from shared.kafka.settings import KafkaSettings
from shared.logs import Level  # noqa: TC001 - pydantic needs it at run time
from shared.settings import Settings

OTHER_COMMANDS: Final = ("",)
"""Any foreign name passes, unless it looks like a misspelling: the consumer's are not known here."""
Fraction = Annotated[float, Field(gt=0, lt=0.5)]


def default_cache_dir() -> Path:
    """The user's cache folder by the XDG convention; downloads are kept in it."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sentiment-stream"


class TrainerSettings(Settings):
    """Options of `sentiment-trainer`; the field descriptions are the help texts."""

    cache_dir: Path = Field(default_factory=default_cache_dir, description="Folder that keeps downloads.")

    base: str = Field(
        default="google-bert/bert-base-uncased",
        min_length=1,
        description="Model to start from: a name on the hub, a local folder, or minilm.",
    )
    base_revision: str | None = Field(default=None, description="Commit or tag of a base on the hub.")

    text_column: str = Field(default="text", description="Column with the text.")
    label_column: str = Field(default="label", description="Column with the label.")
    id_column: str = Field(default="id", description="Column with the id of a row.")
    time_column: str = Field(default="created_at", description="Column with the time of a row.")

    split: Literal["auto", "time", "random"] = Field(
        default="auto", description="How to cut the parts; auto: by time where every row has one."
    )
    test_rows: int | None = Field(default=None, gt=0, le=10_000_000, description="Rows held out for the test.")
    test_fraction: Fraction = Field(default=0.15, description="The same as a share, without --test-rows.")
    validation_fraction: Fraction = Field(default=0.08, description="Share of the other rows for validation.")
    calibration_fraction: Fraction = Field(default=0.06, description="Share of them for the temperature.")

    epochs: int = Field(default=3, gt=0, le=1_000, description="Passes over the training rows, at most.")
    learning_rate: float | None = Field(
        default=None, gt=0, lt=1, description="Peak rate; default: 1e-4 for small encoders, else 3e-5."
    )
    batch_size: int = Field(default=32, gt=0, le=10_000, description="Rows per step.")
    max_tokens: int | None = Field(
        default=None,
        ge=8,
        le=65_536,
        description="Longest input; default: what 99.5 % of the training texts fit in, from 64 up.",
    )
    weight_decay: float = Field(default=0.01, ge=0, le=1, description="Not applied to biases and norms.")
    warmup: float = Field(default=0.1, ge=0, lt=1, description="Share of the steps with a rising rate.")
    max_grad_norm: float = Field(default=1.0, gt=0, le=1_000, description="Gradients are clipped to this norm.")
    class_weighting: float = Field(
        default=0.5, ge=0, le=1, description="0: rows count alike; 1: labels do, however rare; 0.5: half-way."
    )
    averaging: float = Field(
        default=0.98, ge=0, lt=1, description="Decay of the weights' moving average; 0: none."
    )
    evaluations_per_epoch: int = Field(default=2, gt=0, le=1_000, description="Looks at the validation rows.")
    patience: int = Field(
        default=4, gt=0, le=1_000, description="Looks without improvement before training stops."
    )
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="auto: bf16 where the hardware multiplies in it."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="Where to compute.")
    seed: int = Field(default=0, ge=0, lt=2**32, description="Decides the split and all chance in training.")

    format: Literal["json", "text"] = Field(default="json", description="What the values of the topic are.")
    text_field: str = Field(default="text", description="JSON path of the text, such as data.text.")
    id_field: str = Field(default="id", description="JSON path of the id.")


class TrainerEnvironment(Settings):
    """All that the trainer reads from the environment."""

    kafka: KafkaSettings = KafkaSettings()
    log_level: Level = "info"
    """Least level of the log lines."""
    trainer: TrainerSettings = Field(default_factory=TrainerSettings)
