"""Shallower encoders: evenly spaced layers, whole, and a config that says so."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from shared.errors import SettingsError
from tests.support.hub.models import ARCHITECTURES, LABELS, write_base
from trainer.models.pretrained.depth import kept_layers
from trainer.models.transformer.base import load_base

if TYPE_CHECKING:
    from pathlib import Path


@given(st.integers(2, 40).flatmap(lambda of: st.tuples(st.integers(2, of), st.just(of))))
def test_kept_layers_are_evenly_spaced_from_the_first_to_the_last(sizes: tuple[int, int]) -> None:
    """Gaps differ by one at most, and with all of them none is left out."""
    layers, of = sizes
    kept = kept_layers(layers, of)
    gaps = [after - before for before, after in pairwise(kept)]
    assert (kept[0], kept[-1], len(kept)) == (0, of - 1, layers)
    assert 1 <= min(gaps) <= max(gaps) <= min(gaps) + 1


def test_known_depths() -> None:
    """Six of twelve are those of DistilBERT; one is the first."""
    assert kept_layers(6, 12) == [0, 2, 4, 7, 9, 11]
    assert kept_layers(3, 6) == [0, 3, 5]
    assert kept_layers(1, 12) == [0]


@pytest.mark.slow
def test_kept_layers_have_new_numbers(tmp_path: Path) -> None:
    """Given four layers, when two are kept, then they are the first and the fourth."""
    base = write_base(tmp_path / "base", "bert", num_hidden_layers=4)
    before = load_file(base / "model.safetensors")
    after = load_base(str(base), None, LABELS, tmp_path, layers=2).model.bert.state_dict()
    for new, old in enumerate((0, 3)):
        names = [name for name in after if name.startswith(f"encoder.layer.{new}.")]
        assert len(names) == 16
        for name in names:
            assert torch.equal(after[name], before[name.replace(f".{new}.", f".{old}.", 1)])
    assert not any(name.startswith("encoder.layer.2.") for name in after)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name != "albert"])
def test_a_base_of_any_architecture_becomes_shallower(architecture: str, tmp_path: Path) -> None:
    """Given two layers, when one is kept, then the config says so, the rest is whole, and the model runs."""
    base = write_base(tmp_path / "base", architecture)
    model = load_base(str(base), None, LABELS, tmp_path, layers=1).model
    assert model.config.num_hidden_layers == 1
    before, after = load_file(base / "model.safetensors"), model.base_model.state_dict()
    assert 0 < len(after) < len(before)
    assert all(torch.equal(tensor, before[name]) for name, tensor in after.items() if name in before)
    with torch.inference_mode():
        assert model(input_ids=torch.tensor([[5, 6, 7]])).logits.shape == (1, 3)


@pytest.mark.slow
def test_layers_that_are_not_there_are_refused(tmp_path: Path) -> None:
    """More than the base has, and of an encoder that shares one layer."""
    bert = write_base(tmp_path / "bert", "bert")
    with pytest.raises(SettingsError, match="--layers 3 is more than the 2 layers of the base 'bert'"):
        load_base(str(bert), None, LABELS, tmp_path, layers=3)
    albert = write_base(tmp_path / "albert", "albert")
    with pytest.raises(SettingsError, match="has no weights by layer"):
        load_base(str(albert), None, LABELS, tmp_path, layers=1)
