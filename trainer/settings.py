"""Settings of the trainer, with bounds and defaults; see `shared.settings` for the order of precedence.

Settings of the consumer may be set in the same environment: they are ignored.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic needs it at run time
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from shared.cache_folder import cache_folder
from shared.errors import SettingsError
from shared.formats import FieldPath, InputFormat, Kind
from shared.formats.path import parse_selector
from shared.kafka.settings import KafkaSettings
from shared.logs import Format, Level  # noqa: TC001 - pydantic needs it at run time
from shared.model_folder.manifest import MAX_SEGMENTS
from shared.settings import Settings
from shared.text import NormaliserOptions
from trainer.data.augment.option import parse_augment
from trainer.data.labels.label_map import parse_label_map
from trainer.data.labels.polarity import parse_polarity
from trainer.duration import parse_duration
from trainer.evaluation.gates import parse_max_failures

OTHER_COMMANDS: Final = ("",)
"""Any other name is ignored, unless it looks like a misspelling: the names of the consumer are unknown here."""
DataFormat = Literal["auto", "csv", "json", "parquet", "fasttext", "text-files"]
Header = Literal["auto", "yes", "no"]
Fraction = Annotated[float, Field(gt=0, lt=0.5)]


def default_cache_dir() -> Path:
    """The user's cache folder; raises SettingsError without a home folder."""
    folder = cache_folder()
    if folder is None:
        raise SettingsError("there is no home folder for downloads: set trainer.cache_dir")
    return folder


def _valid_map(spec: str) -> str:
    parse_label_map(spec)
    return spec


def _valid_polarity(spec: str) -> str:
    parse_polarity(spec)
    return spec


def _valid_gates(specs: tuple[str, ...]) -> tuple[str, ...]:
    parse_max_failures(specs)
    return specs


def _valid_augment(specs: tuple[str, ...]) -> tuple[str, ...]:
    parse_augment(specs)
    return specs


def _valid_duration(duration: str) -> str:
    parse_duration(duration)
    return duration


def _split(value: object) -> object:
    """Parts words at commas, in a text and in each of several."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
        return value
    return [word.strip() for part in value for word in part.split(",")]


class TrainerSettings(Settings):
    """Options of `sentiment-trainer`."""

    cache_dir: Path = Field(default_factory=default_cache_dir)
    """Folder that keeps downloads, and the answers of teachers."""

    model: Literal["transformer", "nb", "logreg", "svm", "nbsvm", "vectors", "cnn"] = "transformer"
    """What to train: a transformer from --base, or a baseline: naive Bayes, logistic regression, a linear SVM,
    NBSVM, averaged word vectors; or cnn, a convolutional network over words."""
    characters: bool = False
    """Let a baseline see n-grams of characters too."""
    lowercase: bool = False
    """Lower-case all texts, also when they are scored; baselines and uncased bases do so without it."""
    remove_stop_words: bool = False
    """Leave out stop words, also when texts are scored; negations are kept."""

    base: str = Field(default="google-bert/bert-base-uncased", min_length=1)
    """Model to start from: a name on the hub, a local folder, minilm or mpnet."""
    base_revision: str | None = None
    """Commit or tag of a base on the hub."""
    head: Literal["auto", "fine-tune", "linear"] = "auto"
    """linear: a linear head on the vectors of a frozen encoder; auto: that below 100 rows a label on average, if
    no option of the training loop is set."""
    layers: int | None = Field(default=None, gt=0, le=1_000)
    """Layers of the base to keep, evenly spaced, for a smaller and faster model; default: all."""

    teacher: Path | None = None
    """Model folder, with the labels of the data, whose probabilities the model learns besides the labels."""
    unlabelled: Path | None = None
    """Texts without labels to learn the teacher's probabilities on: a file as for --data."""
    # On TweetEval 0.5 was better than 1 (docs/encoders.md); the temperature is that of DistilBERT's authors.
    distil_alpha: float = Field(default=0.5, ge=0, le=1)
    """Share of the teacher's probabilities in the loss; the labels have the rest."""
    distil_temperature: float = Field(default=2.0, ge=0.1, le=100)
    """The teacher's and the model's logits are divided by it in the loss."""

    data_format: DataFormat = "auto"
    """What the file of --data is; auto: by its content."""
    encoding: str | None = None
    """Encoding of text files, such as cp1252; default: UTF-8, what a byte order mark says, or a guess."""
    delimiter: str | None = Field(default=None, min_length=1)
    """Character between fields of CSV, or the word tab; default: guessed."""
    quote: str | None = Field(default=None, min_length=1)
    """Character around fields of CSV, or the word none; default: guessed."""
    escape: str | None = Field(default=None, min_length=1)
    r"""How CSV writes a quote within a field: double, \ (as pandas) or quoted:\ (as Spark); default: guessed."""
    header: Header = "auto"
    """Whether the first row of CSV names the columns."""
    columns: str | None = Field(default=None, min_length=1)
    """Names for the columns of CSV without a header, such as id,,text,label; no name: left out."""

    text_column: str = "text"
    """Column with the text; a path as in a topic: data.text, `full_text, text`, title + text."""
    label_column: str = "label"
    """Column with the label."""
    id_column: str = "id"
    """Column with the id of a row."""
    time_column: str = "created_at"
    """Column with the time of a row."""
    source_column: str = "source"
    """Column with where a text comes from, such as a site: the report has the accuracy by it."""
    label_map: Annotated[str, AfterValidator(_valid_map)] | None = None
    """New names of labels: 0=negative,4=positive, or 1-2=negative,3=neutral,4-5=positive for ratings."""
    ignore_label: Annotated[tuple[str, ...], BeforeValidator(_split)] = Field(default=(), max_length=1_000)
    """Label to leave out, such as -1; separate several by commas, or repeat the option."""
    several_labels: Literal["leave-out", "first", "majority"] = "leave-out"
    """What becomes of a row with a list of several labels."""

    split: Literal["auto", "time", "random"] = "auto"
    """How to cut the parts; auto: by time where every row has one."""
    split_column: str | None = Field(default=None, min_length=1)
    """Column with the part of each row: train, validation (dev), calibration or test; default: they are cut."""
    keep_overlaps: bool = False
    """Keep training rows that are in a given part too; they are left out otherwise."""
    test_rows: int | None = Field(default=None, gt=0, le=10_000_000)
    """Rows held out for the test."""
    test_fraction: Fraction = 0.15
    """The same as a share, without --test-rows."""
    validation_fraction: Fraction = 0.08
    """Share of the other rows for validation."""
    calibration_fraction: Fraction = 0.06
    """Share of them to calibrate probabilities."""

    # With 4, on one split: accuracy .850 instead of .832, but NLL .443 instead of .432 (decision 4).
    epochs: int | None = Field(default=None, gt=0, le=1_000)
    """Passes over the training rows, at most; default: 3, and more on few rows, for 250 updates; 20 for a CNN."""
    budget: Annotated[str, AfterValidator(_valid_duration)] | None = None
    """Time for the whole training, such as 90s, 20m or 2h: it plans epochs and batch by it; default: by epochs."""
    learning_rate: float | None = Field(default=None, gt=0, lt=1)
    """Peak rate; default: 1e-4 for small encoders, 1e-3 for a CNN, else 3e-5."""
    # With 16, on one split: accuracy .840 instead of .832, NLL .448 instead of .432, nearly twice the time.
    batch_size: int | None = Field(default=None, gt=0, le=10_000)
    """Rows per pass through the model; default: 32, with --budget also 16 or 64; 64 for a CNN."""
    accumulate: int = Field(default=1, gt=0, le=10_000)
    """Passes whose gradients make one update."""
    max_tokens: int | None = Field(default=None, ge=8, le=65_536)
    """Longest input; default: what 99.5 % of the training texts fit in, from 64 up; adopt: all it reads."""
    max_segments: int = Field(default=16, ge=1, le=MAX_SEGMENTS)
    """A longer text is read in at most this number of parts; 1: only its beginning is read."""
    weight_decay: float = Field(default=0.01, ge=0, le=1)  # the default of transformers is 0
    """Not applied to biases and norms."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps with a rising rate."""
    dropout: float | None = Field(default=None, ge=0, lt=1)
    """Probability of all dropout layers; default: what the base has, 0.5 for a CNN."""
    max_grad_norm: float = Field(default=1.0, gt=0, le=1_000)
    """Gradients are clipped to this norm."""
    # Compared with 0, 0.5 raised macro-recall by 0.003 to 0.025 on three splits (decision 4).
    class_weighting: float = Field(default=0.5, ge=0, le=1)
    """0: all rows have the same weight; 1: all labels do; 0.5: between the two."""
    # On three splits the average of weights left the NLL as it was or lowered it by up to 0.021 (decision 4).
    ema_decay: float = Field(default=0.98, ge=0, lt=1)
    """Decay of the exponential moving average of the weights; 0: none."""
    evaluations_per_epoch: int = Field(default=2, gt=0, le=1_000)
    """Evaluations on the validation rows per epoch."""
    patience: int = Field(default=4, gt=0, le=1_000)
    """Evaluations without improvement before training stops."""
    contrast_rows: int = Field(default=0, ge=0, le=10_000)
    """Rows of negation, change over time and identity terms, made from templates, to add to the training rows."""
    augment: Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_valid_augment)] = ()
    """Changed copies of that share of the training rows to add to them: typos=0.5, word-dropout=0.5, synonyms=0.5;
    separate several by commas, or repeat the option."""

    min_macro_recall: float | None = Field(default=None, gt=0, le=1)
    """Gate: fail if the macro-recall is lower."""
    max_ece: float | None = Field(default=None, gt=0, lt=1)
    """Gate: fail if the calibration error (ECE) is higher."""
    max_failures: Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_valid_gates)] = ()
    """Gate: fail if a capability of the behaviour suite fails more often: negation=0.2; repeat for others."""

    freeze: int = Field(default=0, ge=0, le=1_000)
    """Lowest layers that are not trained, with the embeddings; 0: all are trained."""
    checkpoint_every_s: float = Field(default=300.0, ge=1, le=86_400)
    """Seconds between two checkpoints of --resume, besides those at evaluations."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """auto: bf16 where the hardware multiplies in it; fp16: on CUDA only."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute."""
    report_to: Literal["tensorboard", "mlflow"] | None = None
    """Service that the course of a training is reported to, besides the terminal; default: none."""
    # A linear model on TweetEval: macro-recall .634 and accuracy .634 with weights, .598 and .648 without.
    decide: Literal["macro-recall", "accuracy"] = "macro-recall"
    """What the label is chosen for: with macro-recall rare labels need less probability; accuracy takes the
    largest."""
    # Of the demo's results 0.85 marks a fifth uncertain; 0.8 marks at most a tenth, 0.9 a third.
    uncertain_accuracy: float = Field(default=0.85, gt=0, lt=1)
    """Accuracy that results which are not uncertain should have; sets the model's threshold."""
    polarity: Annotated[str, AfterValidator(_valid_polarity)] | None = None
    """Polarity of labels whose names do not say it: negative=-1,neutral=0,positive=1,mixed=none."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Seed of the split and of all randomness in training."""

    format: Kind = "json"
    """What the values of the topic are."""
    text_field: FieldPath = "text"
    """Where a JSON value has the text: data.text, items.0.text, `a.b` for a name with a dot, "full, text" for the
    first that is there, "title + text" for both joined."""
    id_field: FieldPath = "id"
    """Where a JSON value has the id, as for the text."""

    @property
    def budget_s(self) -> int | None:
        """Seconds of the budget, if there is one."""
        return parse_duration(self.budget) if self.budget else None

    @property
    def normaliser(self) -> NormaliserOptions:
        """How texts are normalised, in training and in service."""
        return NormaliserOptions(lowercase=self.lowercase, remove_stop_words=self.remove_stop_words)

    @property
    def input_format(self) -> InputFormat:
        """How values of a topic are read."""
        return InputFormat(self.format, parse_selector(self.text_field), parse_selector(self.id_field))


class TrainerEnvironment(Settings):
    """Settings of `sentiment-trainer`."""

    kafka: KafkaSettings = KafkaSettings()
    log_level: Level = "info"
    """Least level of the log lines."""
    log_format: Format = "auto"
    """Log lines as JSON, or as text for people; auto: text on a terminal, JSON elsewhere."""
    trainer: TrainerSettings = Field(default_factory=TrainerSettings)
