"""Whether padding changes the answers of a model: an attention mask is not enough in every architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from shared.inference.engines.base import pad
from shared.inference.probe.texts import PROBE_TEXTS
from shared.inference.tokenization.rows import TokenRow
from shared.inference.tokenization.tokenise import Tokeniser

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.engines.base import Ids
    from shared.model_folder.artifact import Artifact

_FIRST, *_OTHERS = PROBE_TEXTS
TEXTS = (_FIRST[:9], _FIRST, " ".join(_OTHERS[:2]))
"""Of about 3, 20 and 40 tokens: the longest row has some padding to spare for each of the others."""


def padding_difference(artifact: Artifact, model: Any, pad_id: int) -> float:
    """The largest difference of a logit between a row alone and in a padded pass; see `difference_of`.

    Real texts, since some classifiers need the special tokens of their tokenizer.
    """
    rows = [row.ids for row in Tokeniser.load(artifact).rows(TEXTS) if isinstance(row, TokenRow) and len(row)]
    return difference_of(model, rows, pad_id)


@torch.inference_mode()
def difference_of(model: Any, rows: Sequence[Ids], pad_id: int) -> float:
    """The largest difference of a logit, as a share of the largest logit (or of 1); 0 for fewer than two rows."""
    if len(rows) < 2:  # noqa: PLR2004
        return 0.0
    ids, lengths = pad(rows, pad_id)
    mask = (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64)
    padded = _logits(model, ids, mask)
    alone = torch.cat([_logits(model, row[None], np.ones((1, len(row)), np.int64)) for row in rows])
    return float((padded - alone).abs().max() / max(1.0, float(alone.abs().max())))


def _logits(model: Any, ids: Ids, mask: Any) -> torch.Tensor:
    device = model.device
    inputs = (torch.from_numpy(part).to(device) for part in (ids.copy(), mask))
    logits: torch.Tensor = model(**dict(zip(("input_ids", "attention_mask"), inputs, strict=True))).logits
    return logits.float().cpu()
