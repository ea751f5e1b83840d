"""The chart of `compare`: each name can be read."""

from __future__ import annotations

import itertools

import matplotlib.pyplot as plt
import pytest

from trainer.comparison.chart import MAX_NAME, name_points


@pytest.mark.parametrize("names", [("m1", "./tiny", "nb", "vader", "svm", "logreg"), ("a" * 300, "b" * 300)])
def test_names_of_models_that_are_equally_good_cover_each_other_not(names: tuple[str, ...]) -> None:
    """Whatever their length; they are within the axes."""
    figure, axes = plt.subplots(figsize=(7, 4))
    try:
        axes.set_xlim(1_000, 20_000)
        axes.set_ylim(0.3, 1)
        boxes = name_points(axes, [(name, 5_000 + 150 * place, 0.7) for place, name in enumerate(names)])
        assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
        assert all(axes.bbox.contains(*box.min) and axes.bbox.contains(*box.max) for box in boxes)
        assert all(len(text.get_text()) <= MAX_NAME for text in axes.texts)
    finally:
        plt.close(figure)
