"""Prodigy: JSON Lines with an `answer` (accept, reject or ignore), and a `label` or a list of what was accepted.

Sources: https://prodi.gy/docs/api-interfaces (`classification`, `choice`), https://prodi.gy/docs/review. Only an
accepted answer says which label is right. The answers of several annotators to a text share its `_input_hash`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trainer.data.exports.shape import Tool
from trainer.data.labels.left_out import LeftOut

if TYPE_CHECKING:
    from trainer.data.exports.shape import Data
    from trainer.data.tables import Columns

_ANSWERS: Final = frozenset({"accept", "reject", "ignore"})
_ACCEPT: Final = "accept"
_HASH: Final = "_input_hash"
_DEFAULT_LABEL: Final = "label"


def _plain(data: Data) -> Columns | None:
    columns, names = data.columns, data.names
    answers = columns.get("answer") or []
    given = {answer for answer in answers if isinstance(answer, str)}
    if not given or not given <= _ANSWERS or not all(isinstance(answer, str | None) for answer in answers):
        return None
    # In the choice interface `label`, if there is one, is not what the annotator chose.
    chosen = columns.get(_ACCEPT) and (
        names.label not in columns or ("options" in columns and names.label == _DEFAULT_LABEL)
    )
    values = columns.get(_ACCEPT if chosen else names.label)
    if not values:
        return None
    plain: Columns = {
        names.label: [
            value if answer in {_ACCEPT, None} else LeftOut(f"with the answer {answer}")
            for answer, value in zip(answers, values, strict=True)
        ]
    }
    return plain if names.id in columns or not columns.get(_HASH) else plain | {names.id: columns[_HASH]}


PRODIGY: Final = Tool("Prodigy", frozenset({"answer", _ACCEPT, _HASH}), _plain)
