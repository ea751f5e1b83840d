"""A scorer on plain PyTorch, for CPU and CUDA: batches sorted by length, padded to their longest row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors import SafetensorError
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging as transformers_logging

from consumer.batching import plan
from consumer.records import Score
from shared.errors import ArtifactError, ScorerError, SettingsError
from shared.text import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Encoding

    from shared.artifact import Artifact

CPU_BATCH_TOKENS: Final = 2_048
CUDA_BATCH_TOKENS: Final = 32_768
"""Padded tokens of a forward pass. A CPU is at its best with small batches; a GPU wants to be filled."""

_WARM_UP: Final = ("This is a first sentence to warm the model up.",)


def choose_device(wanted: str) -> torch.device:
    """Resolves `auto` to CUDA if there is one, else CPU; raises SettingsError for a device that is not there."""
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(wanted)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise SettingsError(
            f"device {wanted}: this machine shows {torch.cuda.device_count()} CUDA devices; try cpu"
        )
    return device


class TorchScorer:
    """Scores with fp32 weights; the answer to a text depends on its neighbours only in the last digits.

    Loading takes seconds and ends with one scored sentence, so the first batch is as fast as the next.
    """

    def __init__(self, artifact: Artifact, device: str = "auto", batch_tokens: int | None = None) -> None:
        self._manifest = artifact.manifest
        self._version = artifact.version
        self._device = choose_device(device)
        self._batch_tokens = batch_tokens or (
            CUDA_BATCH_TOKENS if self._device.type == "cuda" else CPU_BATCH_TOKENS
        )
        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        # Without it transformers makes a tokenizer that knows no word, and without a head it makes one up.
        if not (artifact.path / "tokenizer.json").is_file():
            raise ArtifactError(f"{artifact.path} has no tokenizer.json; save a fast tokenizer and train again")
        try:
            tokenizer: Any = AutoTokenizer.from_pretrained(
                artifact.path, local_files_only=True, trust_remote_code=False
            )
            model, report = AutoModelForSequenceClassification.from_pretrained(
                artifact.path,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise ArtifactError(
                f"{artifact.path} cannot be loaded by transformers ({type(error).__name__}); train it again"
            ) from None
        if report["missing_keys"]:
            raise ArtifactError(
                f"{artifact.path} lacks weights such as {min(report['missing_keys'])}; train it again"
            )
        self._pad_id = int(tokenizer.pad_token_id)
        self._tokenizer = tokenizer.backend_tokenizer
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self._manifest.max_tokens)
        self._model: Any = model.eval().to(self._device)
        self.score(_WARM_UP)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the probabilities of every score, in their order."""
        return self._manifest.labels

    def describe(self) -> dict[str, str]:
        """Model name and version, engine and device."""
        return {
            "name": self._manifest.name,
            "version": self._version,
            "engine": f"torch {torch.__version__} fp32, padded",
            "device": torch.cuda.get_device_name(self._device) if self._device.type == "cuda" else "cpu",
        }

    def score(self, texts: Sequence[str]) -> list[Score]:
        """Scores texts of any number and length; answers in input order.

        Raises ScorerError when the device fails or an answer is not finite.
        """
        clean = [normalise(text, self._manifest.normaliser.options) for text in texts]
        encodings: list[Encoding] = self._tokenizer.encode_batch_fast(clean)
        scores: list[Score | None] = [None] * len(texts)
        for batch in plan([len(encoding.ids) for encoding in encodings], self._batch_tokens):
            rows = [encodings[index] for index in batch]
            width = len(rows[0].ids)  # the plan puts the longest first
            for index, row, probabilities in zip(batch, rows, self._forward(rows, width), strict=True):
                scores[index] = Score(tuple(probabilities), len(row.ids), width, truncated=bool(row.overflowing))
        return [score for score in scores if score is not None]

    @torch.inference_mode()
    def _forward(self, rows: Sequence[Encoding], width: int) -> list[list[float]]:
        """Runs one padded batch `[rows, width]`; returns calibrated probabilities `[rows, labels]`."""
        ids = torch.full((len(rows), width), self._pad_id, dtype=torch.int64)
        mask = torch.zeros((len(rows), width), dtype=torch.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row.ids)] = torch.tensor(row.ids)
            mask[index, : len(row.ids)] = 1
        try:
            logits = self._model(input_ids=ids.to(self._device), attention_mask=mask.to(self._device)).logits
            answers = torch.softmax(logits.float() / self._manifest.temperature, dim=-1).cpu()
        except RuntimeError as error:  # torch's own, with CUDA's and out-of-memory among them
            raise ScorerError(
                f"the device {self._device} failed on {len(rows)} rows of {width} tokens "
                f"({type(error).__name__}); lower limits.batch_tokens if memory ran out"
            ) from error
        if not torch.isfinite(answers).all():
            raise ScorerError("the model answered with a number that is not finite; the weights are unfit")
        return answers.tolist()
