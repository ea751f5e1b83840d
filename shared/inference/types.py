"""Scores and the `Scorer` protocol, for any engine. Plain immutable values; imports no model library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, Self, TypeAlias

from shared.model_folder.manifest import UNCERTAIN_BELOW
from shared.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence, Sized

    from shared.model_folder.artifact import Artifact


class ModelIdentity(NamedTuple):
    """The model that gave a score: two models may answer within one process, each with its own labels."""

    name: str
    version: str
    """Of the sealed folder; see `Artifact.version`."""
    labels: tuple[str, ...]
    uncertain_below: float = UNCERTAIN_BELOW
    """Score below which the model's results are uncertain."""

    @classmethod
    def of(cls, artifact: Artifact) -> Self:
        """That of a model folder."""
        manifest = artifact.manifest
        below = UNCERTAIN_BELOW if manifest.uncertain_below is None else manifest.uncertain_below
        return cls(manifest.name, artifact.version, manifest.labels, below)


# A named tuple, not a frozen dataclass: one is made for each message (host_path in benchmarks/README.md).
class Score(NamedTuple):
    """The model's answer to one text."""

    probabilities: tuple[float, ...]
    """Calibrated, in the order of `model.labels`; they sum to 1."""
    label: int
    """Index of the label, as `Postprocessing.decide` chose it; not always that of the largest probability."""
    tokens: int
    computed_tokens: float
    """Cost: the text's share of the tokens of its pass, padding included; 0 for a copy of a scored text."""
    truncated: bool
    model: ModelIdentity
    unknown_share: float = 0.0
    """Share of its tokens that the tokenizer does not know, special tokens left out."""
    segments: int = 1
    """Parts in which it was read, each with one forward pass of its own."""


@dataclass(frozen=True, slots=True)
class Unscorable:
    """Why one text has no score although the model works. The reason never quotes the text."""

    error: Reason
    reason: str


BLANK: Final = Unscorable(
    Reason.BAD_RECORD, "the text is blank once it is cleaned: no token of it is left to score"
)
"""The answer to a text of which the model would see nothing but special tokens: any label would be arbitrary."""


@dataclass(frozen=True, slots=True)
class BatchIsolated:
    """Passes of a window of texts failed, ran out of memory or were taken apart, and the window is answered.

    On the scheduler thread that ran the window's last pass: several windows may end at the same time.
    """

    texts: int
    unscorable: int
    """Texts without a score."""
    extra_passes: int
    """Passes in addition to those of a window without failures."""
    out_of_memory: int
    """Passes that ran out of memory."""
    budget_tokens: int
    """Maximum tokens of a pass after it, padding included."""


@dataclass(frozen=True, slots=True)
class TextsTokenised:
    """The texts of one submission were normalised, looked up and tokenised. On the tokenise thread."""

    texts: int
    rows: int
    """Of the distinct texts without a known score; a text in segments has several."""
    seconds: float


@dataclass(frozen=True, slots=True)
class PassRun:
    """A forward pass of a window has ended, well or not; passes of an isolation are not included.

    On a pass thread.
    """

    rows: int
    tokens: int
    """Without padding."""
    waited_s: float
    """Since the first text of its window was tokenised."""
    seconds: float


SchedulerEvent: TypeAlias = TextsTokenised | PassRun | BatchIsolated


class Row(Protocol):
    """What both kinds of model make of a text."""

    @property
    def truncated(self) -> bool:
        """Whether the model reads its beginning only."""
        ...

    @property
    def unknown_share(self) -> float:
        """See `Score`."""
        ...

    def __len__(self) -> int:
        """Its tokens."""
        ...


@dataclass(frozen=True, slots=True)
class Segments:
    """A text that is longer than the model reads at once, as several rows in the order of the text."""

    rows: Sequence[Sized]
    pool: Callable[[Sequence[Score]], Score]
    """Makes the answer to the text of those to its rows, in their order."""

    def __len__(self) -> int:
        """Its tokens."""
        return sum(map(len, self.rows))


def rows_of(made: Sized | Segments) -> Sequence[Sized]:
    """The rows of one text: itself, or its segments."""
    return made.rows if isinstance(made, Segments) else (made,)


class Scorer(Protocol):
    """A loaded model, in the steps that `Scheduler` runs on its threads.

    The type of a row is up to the scorer; its length is its number of tokens. One thread normalises and tokenises;
    up to `concurrency` other threads call `forward`.
    """

    @property
    def model(self) -> ModelIdentity:
        """Gives the scores."""
        ...

    @property
    def concurrency(self) -> int:
        """Number of concurrent passes that keep the device busy."""
        ...

    @property
    def batch_tokens(self) -> int:
        """Tokens of a pass at which the device has the highest throughput."""
        ...

    @property
    def padding(self) -> int | None:
        """Tokens of padding that cost as much as another pass; None if rows are not padded."""
        ...

    def normalise(self, text: str) -> str:
        """The text as the model gets it; equal results have equal scores."""
        ...

    def tokenise(self, texts: Sequence[str]) -> Sequence[Sized | Segments | Unscorable]:
        """Makes a row of each normalised text, or several.

        Raises ScorerError if the tokenizer fails on every text.
        """
        ...

    def forward(self, rows: Sequence[Any]) -> Sequence[Score | None]:
        """Runs one pass; returns answers in the order of its rows, None for one that is not finite.

        Raises PassFailed, OutOfMemory, or ScorerError if the cause is the device or the model and not a text.
        """
        ...

    def describe(self) -> dict[str, str]:
        """Model name and version, engine and device, for logs and results."""
        ...
