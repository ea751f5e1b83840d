"""Integrated gradients (Sundararajan, Taly and Yan, 2017): what each word adds on the way from a text of padding.

The weights of all words add up to the log-odds of the text less those of the padding, which the paper calls
completeness. The integral over the path is computed by Gauss-Legendre quadrature.
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

STEPS: Final = 16
"""Points of the path, all in one pass."""


class IntegratedGradients:
    """A transformer in fp32 on the CPU, for one thread."""

    def __init__(self, artifact: Artifact, steps: int = STEPS) -> None:
        """Raises ArtifactError for a folder that PyTorch cannot load."""
        self._labels = artifact.manifest.labels
        self._postprocessing = Postprocessing.of(artifact.manifest)
        self._tokenizer = Tokenizer.from_buffer(artifact.read(FILE))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(artifact.manifest.max_tokens)
        self._model: Any = load_model(artifact).eval().requires_grad_(requires_grad=False)
        inner = self._model.classifier if isinstance(self._model, MeanPooled) else self._model
        self._embedding: torch.nn.Module = inner.get_input_embeddings()
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        # The two ends have no weight: they are there for the answer to the text, and to the padding.
        self._points = torch.tensor([0.0, *((nodes + 1) / 2), 1.0], dtype=torch.float32)
        self._weights = torch.tensor([0.0, *(weights / 2), 0.0], dtype=torch.float32)

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
            base = self._embedding(torch.where(special, ids, torch.full_like(ids, pad)))
        path: list[torch.Tensor] = []

        def interpolate(_module: torch.nn.Module, _inputs: object, embedded: torch.Tensor) -> torch.Tensor:
            point = base + self._points[:, None, None] * (embedded - base)
            path.append(point.detach().requires_grad_())
            return path[-1]

        hook = self._embedding.register_forward_hook(interpolate)
        try:
            rows = ids.expand(len(self._points), -1)
            logits = self._model(input_ids=rows, attention_mask=torch.ones_like(rows)).logits
        finally:
            hook.remove()
        scaled = logits / self._postprocessing.temperature
        if self._postprocessing.bias is not None:
            scaled = scaled + torch.from_numpy(self._postprocessing.bias).to(scaled.dtype)
        probabilities = softmax(scaled[-1:].detach().numpy().astype(np.float64))
        label = int(self._postprocessing.decide(probabilities)[0])
        others = [one for one in range(len(self._labels)) if one != label]
        odds = scaled[:, label] - scaled[:, others].logsumexp(dim=1)
        (gradients,) = torch.autograd.grad((odds * self._weights).sum(), path[0])
        whole = path[0][-1].detach() - base[0]
        return label, log_odds(probabilities[0].tolist(), label), (gradients.sum(dim=0) * whole).sum(dim=-1)
