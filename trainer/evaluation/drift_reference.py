"""Reference statistics for drift, of rows that the serving code has scored and no training step has used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.drift.features import Results, reference_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from shared.drift.reference import Reference
    from shared.inference.postprocessing import Postprocessing
    from trainer.evaluation.serving import Served


def drift_reference(
    served: Served, chosen: NDArray[np.bool_], postprocessing: Postprocessing, label_names: Sequence[str]
) -> Reference | None:
    """Statistics of the `chosen` of the scored rows, `[scored]`; None for too few rows.

    `served` may have been scored before the calibration: `postprocessing` is what the consumer will apply.
    """
    probabilities = postprocessing.probabilities(served.logits[chosen])
    labels = postprocessing.decide(probabilities)
    results = Results(probabilities, labels, served.tokens[chosen], served.unknown_shares[chosen])
    return reference_of(results, label_names)
