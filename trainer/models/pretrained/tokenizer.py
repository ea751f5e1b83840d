"""Loads the tokenizer of a model's folder, and settles what differs between transformers and the serving code.

The consumer has tokenizer.json and the manifest only: settings of tokenizer_config.json that act in transformers
and not there would make it serve other token ids than those that the model was trained on.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from transformers import AutoTokenizer

from shared.errors import InputDataError
from shared.inference.tokenization.tokenise import FILE
from trainer.models.pretrained.config import refuse_code
from trainer.models.pretrained.conversion import convert

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONFIG: Final = "tokenizer_config.json"
NO_LIMIT: Final = 1_000_000
"""A tokenizer without a limit has a model_max_length of 1e30."""
_PADDING: Final = "<|padding-of-sentiment-stream|>"


def load_tokenizer(folder: Path) -> Any:
    """The fast tokenizer of a folder; a slow one is converted in another process. Raises InputDataError."""
    refuse_code(folder, _CONFIG)
    if (folder / FILE).is_file():
        return _load(folder)
    with tempfile.TemporaryDirectory() as name:
        target = Path(name) / "tokenizer"
        convert("tokenizer", folder, target)
        return _load(target)


def _load(folder: Path) -> Any:
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # noqa: BLE001 - the tokenizers library raises no narrower type
        first_line = str(error).partition("\n")[0]
        raise InputDataError(
            f"the tokenizer of {folder} cannot be read ({type(error).__name__}: {first_line}); save it again"
        ) from None
    if not tokenizer.is_fast:
        raise InputDataError(f"{folder} has no fast tokenizer (tokenizer.json), which the consumer needs")
    # Some tokenizer.json have a truncation and a fixed padding.
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return tokenizer


def settle_padding(model: Any, tokenizer: Any, *, fine_tuned: bool) -> None:
    """Gives model and tokenizer the same padding token.

    That of the model's config counts: RoBERTa counts its positions by it, and a decoder finds the last token of a
    text by it. Without one, a base gets the tokenizer's, or the token that ends a text, as usual for GPT-2. For a
    fine-tuned decoder a text may end with either, so it gets a new one, for which no text has an id.
    """
    if model.config.pad_token_id is None and fine_tuned:
        tokenizer.add_special_tokens({"pad_token": _PADDING})
        if tokenizer.pad_token_id >= model.get_input_embeddings().num_embeddings:
            model.resize_token_embeddings(tokenizer.pad_token_id + 1, mean_resizing=False)
        model.config.pad_token_id = tokenizer.pad_token_id
    pad_id = model.config.pad_token_id
    if pad_id is None:
        pad_id = next((one for one in (tokenizer.pad_token_id, tokenizer.eos_token_id) if one is not None), 0)
        model.config.pad_token_id = pad_id
    if tokenizer.pad_token_id != pad_id:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(pad_id)


def check_vocabulary(model: Any, tokenizer: Any, name: str) -> None:
    """Raises InputDataError if the tokenizer has ids for which the model has no embedding."""
    rows = int(model.get_input_embeddings().num_embeddings)
    highest = max(tokenizer.get_vocab().values())
    if highest >= rows:
        raise InputDataError(
            f"{name} has embeddings for {rows:,} tokens, and its tokenizer gives ids up to {highest:,}; give the "
            "tokenizer that belongs to the model, or save it after resize_token_embeddings"
        )
    pad_id = model.config.pad_token_id
    if not 0 <= pad_id < rows:
        raise InputDataError(f"{name}: pad_token_id {pad_id} is outside of the {rows:,} tokens of the model")


def limit_of(tokenizer: Any) -> int | None:
    """The maximum tokens that the tokenizer states, if it does."""
    stated = tokenizer.model_max_length
    return int(stated) if stated is not None and stated <= NO_LIMIT else None


def ids_by_transformers(tokenizer: Any, texts: Sequence[str], max_tokens: int) -> list[list[int]]:
    """Token ids as transformers makes them, with the settings of tokenizer_config.json."""
    return [tokenizer(text, truncation=True, max_length=max_tokens)["input_ids"] for text in texts]
