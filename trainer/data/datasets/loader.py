"""What every data set that `fetch` can name has in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.data.examples import Examples


class DatasetLoader(Protocol):
    """Turns the name of a data set into labelled rows."""

    @property
    def name(self) -> str:
        """What the user types."""
        ...

    @property
    def about(self) -> str:
        """Rows, origin and labels in one line."""
        ...

    def load(self, cache_dir: Path) -> Examples:
        """Downloads the data set, or takes it from the cache, and checks it; raises InputDataError.

        The same data set in the same version gives the same rows in the same order.
        """
        ...
