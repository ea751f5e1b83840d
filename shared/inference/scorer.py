"""The `Scorer` for `Scheduler`: normaliser, tokenizer and engine of one model folder."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from shared.errors import ScorerError
from shared.inference.isolation import CONTROL, OutOfMemory, PassFailed
from shared.inference.postprocessing import Postprocessing
from shared.inference.tokenization.rows import TokenRow
from shared.inference.tokenization.tokenise import Tokeniser
from shared.inference.types import BLANK, ModelIdentity, Segments, Unscorable
from shared.text import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.engines.base import Engine
    from shared.inference.types import Score
    from shared.model_folder.artifact import Artifact


class BertScorer:
    """Scores with any engine; the last digits of a score depend on the other texts of its pass."""

    def __init__(self, artifact: Artifact, engine: Engine) -> None:
        self.model = ModelIdentity.of(artifact)
        self.concurrency = engine.concurrency
        self.batch_tokens = engine.batch_tokens
        self.padding = engine.padding
        self._artifact = artifact
        self._postprocessing = Postprocessing.of(artifact.manifest)
        self._engine = engine
        self._tokeniser = Tokeniser.load(artifact)

    def warm_up(self) -> None:
        """Scores the control sentence, so that the first text is as fast as later ones; raises ScorerError."""
        try:
            answers = self.forward([row for row in self._tokeniser.rows([CONTROL]) if isinstance(row, TokenRow)])
        except (PassFailed, OutOfMemory) as failure:
            raise ScorerError(
                f"the control sentence cannot be scored: {type(failure).__name__} {failure}"
            ) from None
        if answers[0] is None:
            raise ScorerError("the model's answer to the control sentence is not finite; train it again")

    def describe(self) -> dict[str, str]:
        """Model name and version, engine and device."""
        return {
            "name": self.model.name,
            "version": self.model.version,
            "engine": self._engine.name,
            "device": self._engine.device,
        }

    def normalise(self, text: str) -> str:
        """Normalises as in training."""
        return normalise(text, self._artifact.manifest.normaliser.options)

    def tokenise(self, texts: Sequence[str]) -> Sequence[TokenRow | Segments | Unscorable]:
        """Returns the rows of each normalised text that has tokens of its own, BLANK for the others.

        Raises ScorerError if the tokenizer fails on every text.
        """
        # Tokens are counted, not characters: a lone accent survives the normaliser, but not BERT's tokenizer.
        special = self._tokeniser.special_tokens
        return [
            row
            if isinstance(row, TokenRow) and len(row) > special and not row.truncated
            else self._made(text, row)
            for text, row in zip(texts, self._tokeniser.rows(texts), strict=True)
        ]

    def _made(self, text: str, row: TokenRow | Unscorable) -> TokenRow | Segments | Unscorable:
        """What is made of a text that is unscorable, blank or long."""
        if isinstance(row, Unscorable):
            return row
        if len(row) <= self._tokeniser.special_tokens:
            return BLANK
        how = self._artifact.manifest.long_texts
        if how is None or not row.truncated:
            return row
        read = self._tokeniser.segments(text, how)
        if isinstance(read, Unscorable):
            return read
        return Segments(read.rows, partial(self._postprocessing.pooled, truncated=read.truncated))

    def forward(self, rows: Sequence[TokenRow]) -> Sequence[Score | None]:
        """Runs one pass; see `Scorer`."""
        answer = self._engine.forward([row.ids for row in rows])
        return self._postprocessing.scores(answer.logits, rows, self.model, answer.computed_tokens)
