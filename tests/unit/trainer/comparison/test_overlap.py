"""What is known of test rows that a loaded model was trained on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shared.model_folder.artifact import open_artifact, seal
from tests.support.tiny import tiny_model, write_data
from trainer.comparison.overlap import seen
from trainer.data.parts import FILE, PARTS
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
    for ids, expected in (
        ({"train": splits.test.ids[:3], "calibration": splits.test.ids[3:4]}, "yes: 4 of 60 test rows"),
        ({"train": splits.train.ids, "test": splits.test.ids}, "no: none of these row ids is in its parts"),
    ):
        (folder / FILE).write_text(json.dumps(dict.fromkeys(PARTS, ()) | ids), encoding="ascii")
        assert seen(seal(folder, artifact.manifest), splits) == expected
