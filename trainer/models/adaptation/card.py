"""Where an adapted base comes from: adaptation.json for programs, README.md for people."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from trainer.evaluation.markdown import code

if TYPE_CHECKING:
    from pathlib import Path

ORIGIN: Final = "adaptation.json"
CARD: Final = "README.md"


@dataclass(frozen=True, slots=True)
class Origin:
    """What made an adapted base."""

    base: str
    revision: str
    """Commit of the hub, or SHA-256 of the weights."""
    licence: str | None
    """None: see the base."""
    has_new_head: bool
    data: str
    texts: int
    held_out: int
    fingerprint: str
    """SHA-256 of the texts in their order."""
    loss_before: float
    loss_after: float
    """Of a masked token of the held-out texts."""
    training: dict[str, Any]
    libraries: dict[str, str]
    created_at: str
    before: dict[str, Any] | None
    """The origin of the base, if it was adapted itself."""


def read_origin(folder: Path) -> dict[str, Any] | None:
    """The origin of a base that was adapted; None for any other."""
    path = folder / ORIGIN
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def write_origin(folder: Path, origin: Origin) -> None:
    """Writes both files."""
    (folder / ORIGIN).write_text(json.dumps(asdict(origin), indent=2) + "\n", encoding="utf-8")
    (folder / CARD).write_text(_card(origin), encoding="utf-8")


def _card(origin: Origin) -> str:
    head = " It had no head for that, so the loss before is that of a new one." if origin.has_new_head else ""
    before, after = origin.loss_before, origin.loss_after
    facts = {
        "Base": f"{code(origin.base)}, revision {code(origin.revision)}",
        "Licence": origin.licence or "that of the base",
        "Texts": f"{code(origin.data)}, {origin.texts:,} and {origin.held_out:,} held out",
        "SHA-256 of the texts": code(origin.fingerprint),
        "Loss of a masked token of the held-out texts": f"{before:.3f} before, {after:.3f} after",
        "Perplexity": f"{math.exp(before):,.1f} before, {math.exp(after):,.1f} after",
        "Made on": origin.created_at,
    }
    return f"""# {code(origin.base)}, adapted to other texts

A base for `sentiment-trainer train --base FOLDER`, not a classifier: it has learnt to guess masked tokens of
{origin.texts:,} texts without labels.{head}

{"".join(f"- {name}: {fact}{chr(10)}" for name, fact in facts.items())}
| setting | value |
|---|---|
{"".join(f"| {name} | {code(str(value))} |{chr(10)}" for name, value in origin.training.items())}"""
