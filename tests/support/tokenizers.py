"""Tokenisers around fakes of the Rust tokenizer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from shared.inference.tokenization import tokenise

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pytest

    from shared.model_folder.artifact import Artifact


class WatchedTokenizer:
    """The tokenizer of a model; `watch` gets each input before it is tokenised, and may raise."""

    def __init__(self, inner: Any, watch: Callable[[Sequence[str]], None]) -> None:
        self._inner = inner
        self._watch = watch

    def encode_batch_fast(self, texts: Sequence[str], **options: bool) -> Any:
        """Tokenises all or none."""
        self._watch(texts)
        return self._inner.encode_batch_fast(texts, **options)

    def __getattr__(self, name: str) -> Any:
        """Delegates everything else to the tokenizer."""
        return getattr(self._inner, name)


def watched_tokeniser(
    artifact: Artifact, watch: Callable[[Sequence[str]], None], monkeypatch: pytest.MonkeyPatch
) -> tokenise.Tokeniser:
    """The tokeniser of a model folder around a watched tokenizer."""

    def from_buffer(content: bytes) -> WatchedTokenizer:
        return WatchedTokenizer(Tokenizer.from_buffer(content), watch)

    with monkeypatch.context() as patch:
        patch.setattr(tokenise, "Tokenizer", SimpleNamespace(from_buffer=from_buffer))
        return tokenise.Tokeniser.load(artifact)
