"""What is known of test rows that a loaded model was trained on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from shared.model_folder.artifact import open_artifact, seal
from tests.support.tiny import tiny_model, write_data
from trainer.comparison.overlap import seen
from trainer.data.parts import write_parts
from trainer.data.readers import read_examples
from trainer.data.sample import draw_sample
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from pathlib import Path


def test_row_ids_in_the_folder_say_how_many_test_rows_it_saw(tmp_path: Path) -> None:
    """Rows of validation and calibration count too; without ids nothing is known."""
    settings = TrainerSettings(test_rows=60, cache_dir=tmp_path / "cache")
    splits = draw_sample(read_examples(write_data(tmp_path / "data.parquet")), settings).splits
    folder = tiny_model(tmp_path / "model")
    artifact = open_artifact(folder)
    assert seen(artifact, splits).startswith("not known")
    mixed = replace(splits, train=splits.test.take(np.arange(3)), calibration=splits.test.take(np.arange(3, 4)))
    none = replace(mixed, validation=splits.validation.take(np.arange(0)))
    for parts, expected in (
        (none, "yes: 4 of 60 test rows"),
        (splits, "no: none of these row ids is in its parts"),
    ):
        write_parts(folder, parts)
        assert seen(seal(folder, artifact.manifest), splits) == expected
