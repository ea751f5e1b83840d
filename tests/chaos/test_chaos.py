"""A slice of the chaos campaign, with every kind of fault that ends soon; `make chaos` runs the whole campaign."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.campaign import perform, slice_of
from tests.chaos.stage import make_models

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.brokers.cluster import Cluster
    from tests.chaos.stage import Models


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Two good models and a corrupt one."""
    return make_models(tmp_path_factory.mktemp("models"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("delivery", "protocol"),
    [("exactly-once", "classic"), ("exactly-once", "consumer"), ("at-least-once", "classic")],
)
def test_nothing_is_lost(delivery: str, protocol: str, cluster: Cluster, models: Models, tmp_path: Path) -> None:
    """Given faults of many kinds, when the stream has been processed, then all invariants hold."""
    _, verdicts = perform(cluster, slice_of(delivery, protocol), tmp_path / "members", models)

    broken = [f"{verdict.name}: {verdict.detail}" for verdict in verdicts if not verdict.holds]
    assert not broken, "\n".join(broken)
