"""Integrated gradients (Sundararajan, Taly and Yan, 2017): what each word adds on the way from a text of padding.

The weights of all words add up to the log-odds of the text less those of the padding, which the paper calls
completeness. The integral over the path is computed by Gauss-Legendre quadrature, with more points until that sum
is what it must be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from tokenizers import Tokenizer

from shared.inference.engines.torch.loading import load_model
from shared.inference.engines.torch.pooling import MeanPooled
from shared.inference.explanation.words import Explanation, Method, Word, log_odds, spans
from shared.inference.postprocessing import Postprocessing, softmax
from shared.inference.tokenization.tokenise import FILE
from shared.inference.types import BLANK

if TYPE_CHECKING:
    from shared.inference.types import Unscorable
    from shared.model_folder.artifact import Artifact

STEPS: Final = (16, 32, 64, 128)
"""Points of the path, until the sum is within TOLERANCE: 16 do for 80 of 100 tweets and a trained MiniLM."""
TOLERANCE: Final = 0.05
"""Of what the weights must add up to, or of LEAST_SUM if that is more."""
LEAST_SUM: Final = 0.5
"""In log-odds."""
PASS_TOKENS: Final = 4_096
"""In one pass: a BERT-base kept 0.34 MB a token (8 rows of 512), so 1.4 GB."""


class IntegratedGradients:
    """A transformer in fp32 on the CPU, for one thread."""

    def __init__(self, artifact: Artifact, pass_tokens: int = PASS_TOKENS) -> None:
        """Raises ArtifactError for a folder that PyTorch cannot load."""
        self._pass_tokens = pass_tokens
        self._labels = artifact.manifest.labels
        self._postprocessing = Postprocessing.of(artifact.manifest)
        self._tokenizer = Tokenizer.from_buffer(artifact.read(FILE))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(artifact.manifest.max_tokens)
        self._model: Any = load_model(artifact).eval().requires_grad_(requires_grad=False)
        inner = self._model.classifier if isinstance(self._model, MeanPooled) else self._model
        self._embedding: torch.nn.Module = inner.get_input_embeddings()

    def explain(self, text: str) -> Explanation | Unscorable:
        """Explains the label of a normalised text; words that the model does not read have the weight 0."""
        encoding = self._tokenizer.encode(text)
        special = torch.tensor(encoding.special_tokens_mask, dtype=torch.bool)
        if bool(special.all()):
            return BLANK
        ids = torch.tensor([encoding.ids])
        label, chosen, shares = self._integral(ids, special)
        words = spans(text)
        weights = np.zeros(len(words))
        starts = np.array([one.start for one in words])
        for (_, end), share in zip(encoding.offsets, shares.tolist(), strict=True):
            # By its last character: the first one of a token may be the space before the word.
            if end:
                weights[max(0, int(np.searchsorted(starts, end - 1, side="right")) - 1)] += share
        named = (
            Word(text[one.start : one.end], weight) for one, weight in zip(words, weights.tolist(), strict=True)
        )
        return Explanation(Method.GRADIENTS, self._labels[label], chosen, tuple(named))

    def _integral(self, ids: torch.Tensor, special: torch.Tensor) -> tuple[int, float, torch.Tensor]:
        """The index of the label, its log-odds, and what each token adds to them, `[tokens]`."""
        pad = self._model.config.pad_token_id or 0
        with torch.no_grad():
            # Special tokens are part of every text, so they stay and add nothing.
            begin = self._embedding(torch.where(special, ids, torch.full_like(ids, pad)))
            path = self._embedding(ids) - begin
            ends = self._scores(ids, torch.cat([begin, begin + path]))
        probabilities = softmax(ends[-1:].numpy().astype(np.float64))
        label = int(self._postprocessing.decide(probabilities)[0])
        padding, whole = self._odds(ends, label).tolist()
        allowed = TOLERANCE * max(abs(whole - padding), LEAST_SUM)
        for steps in STEPS:
            shares = self._shares(ids, begin, path, label, steps)
            if abs(float(shares.sum()) - (whole - padding)) <= allowed:
                break
        return label, log_odds(probabilities[0].tolist(), label), shares

    def _shares(
        self, ids: torch.Tensor, begin: torch.Tensor, path: torch.Tensor, label: int, steps: int
    ) -> torch.Tensor:
        """The integral by that many points of the path from `begin`, `[1, tokens, width]`, by token."""
        nodes, weights = (torch.tensor(one, dtype=path.dtype) for one in np.polynomial.legendre.leggauss(steps))
        gradient = torch.zeros_like(path[0])
        at_once = max(1, self._pass_tokens // ids.shape[1])
        for first in range(0, steps, at_once):
            some = slice(first, first + at_once)
            rows = (begin + (nodes[some, None, None] + 1) / 2 * path).requires_grad_()
            odds = self._odds(self._scores(ids, rows), label)
            gradient += torch.autograd.grad((odds * weights[some] / 2).sum(), rows)[0].sum(dim=0)
        return (gradient * path[0]).sum(dim=-1)

    def _scores(self, ids: torch.Tensor, embedded: torch.Tensor) -> torch.Tensor:
        """Calibrated logits, `[rows, labels]`, where the tokens of each row have these embeddings."""
        rows = ids.expand(len(embedded), -1)
        hook = self._embedding.register_forward_hook(lambda *_: embedded)
        try:
            logits: torch.Tensor = self._model(input_ids=rows, attention_mask=torch.ones_like(rows)).logits
        finally:
            hook.remove()
        scaled = logits / self._postprocessing.temperature
        if self._postprocessing.bias is not None:
            scaled = scaled + torch.from_numpy(self._postprocessing.bias).to(scaled.dtype)
        return scaled

    def _odds(self, scores: torch.Tensor, label: int) -> torch.Tensor:
        others = [one for one in range(len(self._labels)) if one != label]
        return scores[:, label] - scores[:, others].logsumexp(dim=1)
