"""The members of an ensemble, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from shared.terminal import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.models.ensemble.training import Joined


def members_table(members: Sequence[Joined]) -> Table:
    """One line for each member."""
    table = Table(title=Text("Members"), title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading in ("model", "version", "weight", "saw calibration rows", "saw test rows"):
        table.add_column(heading)
    for one in members:
        cells = (one.name, one.version, f"{one.weight:.3f}", one.saw_calibration, one.saw_test)
        table.add_row(*(Text(escaped(cell)) for cell in cells))
    return table
