"""Which engine serves a model folder on a device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.scorer.bert import BertScorer
from consumer.scorer.torch_model import choose_device
from consumer.scorer.torch_padded import PaddedEngine

if TYPE_CHECKING:
    from shared.artifact import Artifact


def load_scorer(artifact: Artifact, device: str = "auto") -> BertScorer:
    """Loads the model onto the device; takes seconds.

    Raises ArtifactError for a folder that cannot be served, SettingsError for a device that is not there, and
    ScorerError for a model that cannot score its first sentence.
    """
    scorer = BertScorer(artifact, PaddedEngine(artifact, choose_device(device)))
    scorer.warm_up()
    return scorer
