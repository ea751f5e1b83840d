"""The tokenizer of a base is used if it is on this machine, and nothing is downloaded for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.tiny import POSITIONS, tiny_base
from trainer.models.pretrained.local import local_tokenizer

if TYPE_CHECKING:
    from pathlib import Path


def test_the_tokenizer_of_a_folder_is_read_with_its_window(tmp_path: Path) -> None:
    """The window is the smaller of what tokenizer and config state."""
    found = local_tokenizer(str(tiny_base(tmp_path / "base")), None, tmp_path)
    assert found is not None
    assert found.window == POSITIONS
    assert len(found.tokenizer.encode("so good").ids) == 4


@pytest.mark.parametrize(("kind", "window"), [("bert", 514), ("roberta", 512), ("mpnet", 512)])
def test_positions_before_that_of_padding_are_not_used(tmp_path: Path, kind: str, window: int) -> None:
    """514 of RoBERTa are 512 tokens, also if its tokenizer states nothing."""
    base = tiny_base(tmp_path / "base")
    config = {"model_type": kind, "max_position_embeddings": 514, "pad_token_id": 1}
    (base / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (base / "tokenizer_config.json").unlink()
    found = local_tokenizer(str(base), None, tmp_path)
    assert found is not None
    assert found.window == window


def test_a_bundled_base_is_found_in_the_cache(tmp_path: Path) -> None:
    """As `train` leaves it there."""
    tiny_base(tmp_path / "bases" / "minilm-0.1.0")
    assert local_tokenizer("minilm", None, tmp_path) is not None


@pytest.mark.parametrize("base", ["google-bert/no-such-base", "../../x", "minilm"])
def test_a_base_that_is_not_here_has_none(tmp_path: Path, base: str) -> None:
    """It is not asked for at the hub or the package index."""
    assert local_tokenizer(base, None, tmp_path) is None


def test_a_damaged_tokenizer_counts_as_none(tmp_path: Path) -> None:
    """Loading the base says what is wrong with it."""
    base = tiny_base(tmp_path / "base")
    (base / "tokenizer.json").write_text("{", encoding="utf-8")
    assert local_tokenizer(str(base), None, tmp_path) is None
