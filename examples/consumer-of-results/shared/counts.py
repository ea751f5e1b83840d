"""Labels counted by product."""

from __future__ import annotations

from collections import Counter, defaultdict


class Counts:
    """Each result counts once, also one that Kafka delivers twice."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._labels: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, product: str, identity: str, label: str) -> None:
        """Counts the result with this id."""
        if identity not in self._seen:
            self._seen.add(identity)
            self._labels[product][label] += 1

    def disliked(self) -> list[str]:
        """The products with more negative than positive texts, sorted."""
        return sorted(name for name, labels in self._labels.items() if labels["negative"] > labels["positive"])

    @property
    def total(self) -> int:
        """How many results were counted."""
        return len(self._seen)
