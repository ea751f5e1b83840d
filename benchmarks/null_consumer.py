"""This project's consumer around a scorer without a model; started by `programs.null`, set by SENTIMENT_ variables.

What is left is the host's work: read, decode, normalise, tokenise, encode, write, commit.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from consumer import settings as consumer_settings
from consumer.preflight import Preflight
from consumer.records import Score
from consumer.scoring import ScoringThread
from consumer.service import consume
from consumer.signals import stop_on_signals
from shared.artifact import open_artifact
from shared.logs import configure_logs, exit_with
from shared.messages import ModelRef
from shared.text import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.records import Unscorable
    from shared.artifact import Artifact


class NullScorer:
    """Normalises and tokenises for real, then takes `pass_ms` for 32 texts, as a GPU might, and answers all alike."""

    def __init__(self, artifact: Artifact, pass_ms: float) -> None:
        self.labels = artifact.manifest.labels
        self._options = artifact.manifest.normaliser.options
        self._text_s = pass_ms / 1000 / 32
        self._tokenizer = Tokenizer.from_file(str(artifact.path / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(artifact.manifest.max_tokens)
        share = 1 / len(self.labels)
        self._answer = tuple(share for _ in self.labels)

    def score(self, texts: Sequence[str]) -> list[Score | Unscorable]:
        """Answers in input order."""
        rows = self._tokenizer.encode_batch_fast([normalise(text, self._options) for text in texts])
        time.sleep(self._text_s * len(texts))
        return [Score(self._answer, len(row), len(row), truncated=bool(row.overflowing)) for row in rows]

    def describe(self) -> dict[str, str]:
        """Says that it is no model."""
        return {"name": "none", "version": "0", "engine": "none", "device": "none"}


def main() -> None:
    """Runs until stopped, as `sentiment-consumer run` does."""
    settings = consumer_settings.load({})
    configure_logs(settings.log_level)
    stop = threading.Event()
    stop_on_signals(stop)
    scorer = NullScorer(open_artifact(settings.model_folder), float(sys.argv[1]))
    consume(
        settings,
        partitions=Preflight(settings).partitions(),
        scoring=ScoringThread(scorer),
        labels=scorer.labels,
        model=ModelRef(name="none", version="0"),
        stop=stop,
        observe=None,
    )


if __name__ == "__main__":
    exit_with(main)
