"""Dropout is set in every layer, whatever the architecture calls it."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from trainer.models.transformer.dropout import set_dropout, usual_dropout


@pytest.mark.parametrize(
    ("architecture", "usual"),
    [("bert", 0.1), ("distilbert", 0.1), ("gpt2", 0.1), ("deberta-v2", 0.1), ("modernbert", 0.0), ("albert", 0.0)],
)
def test_answers_of_a_training_pass_depend_on_it(architecture: str, usual: float) -> None:
    """With 0 two passes are equal, with 0.3 they are not, also where the base has none."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2}
    config = AutoConfig.for_model(architecture, **sizes, **special, vocab_size=50)
    model = AutoModelForSequenceClassification.from_config(config).train()  # type: ignore[no-untyped-call]
    assert usual_dropout(model) == usual
    ids = torch.arange(3, 19).reshape(2, 8)

    def passes() -> list[torch.Tensor]:
        with torch.no_grad():
            return [model(input_ids=ids).logits for _ in range(2)]

    set_dropout(model, 0.0)
    assert torch.equal(*passes())
    set_dropout(model, 0.3)
    assert usual_dropout(model) == 0.3
    assert not torch.equal(*passes())
