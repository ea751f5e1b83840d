"""The bias by distance is that of transformers, for each distance of a row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

from shared.inference.engines.openvino.relative_bias import BUCKETS, by_distance

pytestmark = pytest.mark.slow


def test_each_distance_has_the_bucket_of_transformers() -> None:
    """Given a table of its own row numbers, then each distance up to 512 tokens has the row of transformers."""
    table = np.arange(BUCKETS, dtype=np.float32)[:, None]
    distances = torch.arange(-511, 512)

    expected: Any = MPNetEncoder.relative_position_bucket(distances, num_buckets=BUCKETS)  # type: ignore[no-untyped-call]

    assert by_distance(table, 512)[0].astype(int).tolist() == expected.tolist()
