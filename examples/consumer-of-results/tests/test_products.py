"""The program with a real Kafka and the real sentiment consumer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import products
import shared.counts

if TYPE_CHECKING:
    from sentiment_testing.stack import Stack

REVIEWS = [
    ("kettle", "It is broken, and the service is awful."),
    ("kettle", "Very slow."),
    ("lamp", "A lovely lamp!"),
    ("lamp", "It has a switch."),
]


def test_disliked_products_are_found(sentiment_stack: Stack) -> None:
    """Reviews go in, labels come out, and the kettle is disliked; the consumer is killed in between."""
    servers = sentiment_stack.bootstrap_servers
    products.publish(servers, sentiment_stack.texts_topic, REVIEWS[:2])
    sentiment_stack.results(2)
    sentiment_stack.kill()
    products.publish(servers, sentiment_stack.texts_topic, REVIEWS[2:])
    sentiment_stack.restart()
    sentiment_stack.results(4)

    counts = products.count(servers, sentiment_stack.results_topic, results=4)

    assert counts.disliked() == ["kettle"]


def test_a_review_without_text_is_a_dead_letter(sentiment_stack: Stack) -> None:
    """What this project must not send ends in the dead-letter topic, with the reason."""
    products.publish(sentiment_stack.bootstrap_servers, sentiment_stack.texts_topic, [("lamp", " ")])
    (letter,) = sentiment_stack.letters(1)
    assert letter.key == b"lamp"
    assert "blank" in letter.reason


def test_shared_is_this_projects_own() -> None:
    """The package `shared` of the consumer is installed too, and does not get in the way."""
    assert hasattr(shared.counts, "Counts")
