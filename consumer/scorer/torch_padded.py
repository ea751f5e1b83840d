"""A scorer on plain PyTorch, for CPU and CUDA: batches sorted by length, padded to their longest row."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import structlog
import torch
from safetensors import SafetensorError
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.utils import logging as transformers_logging

from consumer.isolation import Isolation, OutOfMemory, PassFailed, TokenBudget
from consumer.records import Score, Unscorable
from shared.errors import ArtifactError, ScorerError, SettingsError
from shared.text import normalise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tokenizers import Encoding

    from shared.artifact import Artifact

log = structlog.get_logger()

CPU_BATCH_TOKENS: Final = 2_048
CUDA_BATCH_TOKENS: Final = 32_768
"""Padded tokens of a forward pass. A CPU is at its best with small batches; a GPU wants to be filled."""

_CONTROL: Final = "This is a first sentence to warm the model up."
"""Known to be good: if it cannot be scored, then not for what it says."""
_NO_HOST_MEMORY: Final = ("can't allocate memory", "bad_alloc")
"""How a RuntimeError of torch says that the CPU's memory ran out."""


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


def classify(error: Exception, device: torch.device) -> PassFailed | OutOfMemory | ScorerError:
    """Tells what a pass that raised `error` is a matter of: perhaps a text, memory, or the device itself.

    After an error of CUDA other than a lack of memory no later pass can be trusted, so no text is asked.
    """
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return OutOfMemory()
    if any(sign in str(error) for sign in _NO_HOST_MEMORY):
        return OutOfMemory()
    if device.type == "cpu" and not isinstance(error, torch.AcceleratorError):
        return PassFailed(type(error).__name__)
    message = str(error).partition("\n")[0]
    return ScorerError(f"the device {device} failed ({type(error).__name__}: {message}); a restart may help")


class TorchScorer:
    """Scores with fp32 weights; the answer to a text depends on its neighbours only in the last digits.

    Loading takes seconds and ends with one scored sentence, so the first batch is as fast as the next.
    """

    def __init__(self, artifact: Artifact, device: str = "auto", batch_tokens: int | None = None) -> None:
        self._manifest = artifact.manifest
        self._version = artifact.version
        self._device = choose_device(device)
        default_tokens = CUDA_BATCH_TOKENS if self._device.type == "cuda" else CPU_BATCH_TOKENS
        self._isolation = Isolation(self._forward, self._control, TokenBudget(batch_tokens or default_tokens))
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
        self.score([_CONTROL])

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

    def score(self, texts: Sequence[str]) -> list[Score | Unscorable]:
        """Scores texts of any number and length; answers in input order.

        Raises ScorerError when the device fails, or when the control sentence fails too.
        """
        rows = self._encode([normalise(text, self._manifest.normaliser.options) for text in texts])
        encoded = [row for row in rows if not isinstance(row, Unscorable)]
        answers = iter(self._isolation.run(encoded, [len(row.ids) for row in encoded]))
        return [row if isinstance(row, Unscorable) else next(answers) for row in rows]

    def _encode(self, texts: Sequence[str]) -> list[Encoding | Unscorable]:
        """Tokenises together, and one by one after the control where that fails."""
        with suppress(Exception):  # tokenizers raises nothing more exact; what it was shows below
            encodings: list[Encoding | Unscorable] = self._tokenizer.encode_batch_fast(texts)
            return encodings
        control, *encodings = [self._encode_alone(text) for text in (_CONTROL, *texts)]
        if isinstance(control, Unscorable):
            raise ScorerError(f"the tokenizer fails on the control sentence too: {control.reason}")
        unscorable = sum(isinstance(encoding, Unscorable) for encoding in encodings)
        log.warning("tokenised_alone", texts=len(texts), unscorable=unscorable)
        return encodings

    def _encode_alone(self, text: str) -> Encoding | Unscorable:
        try:
            encoding: Encoding = self._tokenizer.encode_batch_fast([text])[0]
        except Exception as error:  # noqa: BLE001 - see `_encode`
            return Unscorable("TokenizerFailed", f"{type(error).__name__} for this text alone")
        return encoding

    def _control(self) -> None:
        (answer,) = self._forward(self._tokenizer.encode_batch_fast([_CONTROL]))
        if answer is None:
            raise PassFailed("its answer is not finite")

    def _forward(self, rows: Sequence[Encoding]) -> list[Score | None]:
        """Runs one pass; None for a row whose answer is not finite. Raises what `classify` makes of an error."""
        try:
            return self._pass(rows)
        except (RuntimeError, IndexError, ValueError, MemoryError) as error:
            failure = classify(error, self._device)
        # Only outside of the `except` has the traceback let go of the failed pass's tensors (pytorch #18853).
        if isinstance(failure, OutOfMemory) and self._device.type == "cuda":
            torch.cuda.empty_cache()
        raise failure

    @torch.inference_mode()
    def _pass(self, rows: Sequence[Encoding]) -> list[Score | None]:
        """Scores one padded batch `[rows, longest row]`."""
        width = max(len(row.ids) for row in rows)
        ids = torch.full((len(rows), width), self._pad_id, dtype=torch.int64)
        mask = torch.zeros((len(rows), width), dtype=torch.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row.ids)] = torch.tensor(row.ids)
            mask[index, : len(row.ids)] = 1
        logits = self._model(input_ids=ids.to(self._device), attention_mask=mask.to(self._device)).logits
        scaled = logits.float().cpu() / self._manifest.temperature
        finite = torch.isfinite(scaled).all(dim=-1).tolist()
        probabilities = torch.softmax(scaled, dim=-1).tolist()
        return [
            Score(tuple(numbers), len(row.ids), width, truncated=bool(row.overflowing)) if good else None
            for row, numbers, good in zip(rows, probabilities, finite, strict=True)
        ]
