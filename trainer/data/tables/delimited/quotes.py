"""Tells quotes that enclose fields from quotes that are part of texts, by how they are used in a whole table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trainer.data.tables.delimited.dialect import Dialect
    from trainer.data.tables.delimited.sniff import Part

_FEW_ROWS: Final = 3


@dataclass(slots=True)
class Use:
    """How quotes are used, in fields that were read with quotes as plain characters."""

    quote: str
    enclosed: int = 0
    needless: Counter[int] = field(default_factory=Counter)
    """Enclosed fields that hold nothing special, by column."""
    filled: Counter[int] = field(default_factory=Counter)
    within: int = 0
    open: int = 0
    """Fields with a quote at one end: a delimiter or a line break may be between it and the other."""
    header: list[str] = field(default_factory=list)
    """The first row, if it names the columns: where a name is enclosed, its column is."""

    def is_enclosing(self) -> bool:
        """Whether a writer of CSV made the quotes: in all fields of a column, or only where they are needed."""
        if self.within or self.open:
            return False
        full = {column for column, count in self.needless.items() if count == self.filled[column]}
        # One text of two may be enclosed by chance, the fields of two columns are not.
        sure = {column for column in full if len(full) > 1 or self.needless[column] >= _FEW_ROWS}
        named = {column for column, name in enumerate(self.header) if name.startswith(self.quote)}
        return self.needless.keys() <= sure | named


def use_of_quotes(parts: Sequence[Part], dialect: Dialect, quote: str, *, header: bool) -> Use:
    """Counts over all rows of a dialect that takes the quote for a plain character; raises csv.Error."""
    use = Use(quote)
    for part in parts:
        with part.lines(dialect.opens_with) as lines:
            rows = chain.from_iterable(dialect.batches(lines))
            if header:
                use.header = next(rows, [])
            for row in rows:
                for column, cell in enumerate(row):
                    use.filled[column] += bool(cell)
                    if quote not in cell:
                        continue
                    if len(cell) > 1 and cell[0] == cell[-1] == quote:
                        use.enclosed += 1
                        needed = cell == quote * 2 or quote in cell[1:-1]
                        use.needless[column] += not needed
                        use.filled[column] -= needed  # says nothing about the fields that need no quotes
                    elif quote in (cell[0], cell[-1]):
                        use.open += 1
                    else:
                        use.within += 1
    use.needless = +use.needless
    return use
