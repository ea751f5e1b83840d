"""The tokenizer of a base that is on this machine already: counting tokens is no reason for a download."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from huggingface_hub import snapshot_download
from tokenizers import Tokenizer

from shared.errors import InputDataError
from shared.inference.tokenization.tokenise import FILE
from shared.model_folder.artifact import CONFIG
from shared.model_folder.manifest import MAX_TOKENS
from trainer.data.quality.lengths import BaseTokenizer
from trainer.models.pretrained.config import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKENIZER_CONFIG: Final = "tokenizer_config.json"


def local_tokenizer(base: str, revision: str | None, cache_dir: Path) -> BaseTokenizer | None:
    """The tokenizer of a folder, of a bundled base, or in the hub's cache; None if it would have to be downloaded.

    Also None for a slow tokenizer, which would have to be converted, and for one that cannot be read: loading the
    base says why.
    """
    folder = next((one for one in _folders(base, revision, cache_dir) if (one / FILE).is_file()), None)
    if folder is None:
        return None
    try:
        tokenizer = Tokenizer.from_file(str(folder / FILE))
    except Exception:  # noqa: BLE001 - tokenizers raises no narrower type
        return None
    return BaseTokenizer(base, tokenizer, _window(folder))


def _folders(base: str, revision: str | None, cache_dir: Path) -> Iterator[Path]:
    if Path(base).is_dir():
        yield Path(base)
        return
    yield from sorted(cache_dir.glob(f"bases/{base.replace('/', '-')}-*"), reverse=True)
    try:
        yield Path(snapshot_download(base, revision=revision, local_files_only=True))
    except (OSError, ValueError):  # not in the cache, or no name of the hub
        return


def _window(folder: Path) -> int | None:
    """Tokens that the base reads: the smaller of what its tokenizer and its config state, if they do."""
    limits = [_stated(folder, _TOKENIZER_CONFIG, "model_max_length")]
    positions = _stated(folder, CONFIG, "max_position_embeddings")
    # These count positions from the one after that of padding: 514 of them are 512 tokens.
    offset = _stated(folder, CONFIG, "pad_token_id") if _counts_from_padding(folder) else None
    limits.append(positions if positions is None or offset is None else positions - offset - 1)
    return min((limit for limit in limits if limit is not None), default=None)


def _counts_from_padding(folder: Path) -> bool:
    kind = str(_read(folder, CONFIG).get("model_type"))
    return any(name in kind for name in ("roberta", "camembert", "mpnet", "longformer", "xmod", "esm"))


def _stated(folder: Path, name: str, key: str) -> int | None:
    value = _read(folder, name).get(key)
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS
    return value if usable else None


def _read(folder: Path, name: str) -> dict[str, Any]:
    try:
        return read_json(folder, name)
    except InputDataError:
        return {}
