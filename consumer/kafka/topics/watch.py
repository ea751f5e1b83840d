"""Notices that a topic was deleted, or deleted and created again: the id of a topic is asked for once a second.

The client reports nothing: it goes on at the old offset in the new topic, and what lies before it is never read.
Brokers before 2.8 and embedded ones have no ids; then nothing is noticed here.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from confluent_kafka import KafkaError, KafkaException, TopicCollection

from consumer.stream.records import PublishFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from concurrent.futures import Future
    from typing import Any

    from confluent_kafka.admin import AdminClient

CHECK_S: Final = 1.0
"""Pause between two questions: one request a second and member, answered in 0.4 ms by a broker on this machine."""
REQUEST_S: Final = 5.0
TRIES_S: Final = (*(0.5,) * 6, 1.0, REQUEST_S)
"""Timeouts of the tries of a question that any broker can answer: one broker of several that is out of reach must
not cost REQUEST_S each time. With three brokers a try meets that one in 41 % of cases after a failed try, and all
eight tries do in 0.06 %."""
REFRESH_S: Final = 0.5
"""Timeout of one question for new metadata between two tries."""
REFRESHES: Final = 2
"""Questions for new metadata between two tries: they can meet the broker that is out of reach too."""
GONE_S: Final = 10.0
"""A topic that does not exist for so long was deleted: a broker that has just started may not know it yet."""

T = TypeVar("T")


class TopicWatch:
    """Asks for the ids of topics, at once or in the background. Used by the Kafka thread only."""

    def __init__(self, admin: AdminClient, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._admin = admin
        self._clock = clock
        self._asked: dict[str, Future[Any]] = {}
        self._asked_at = clock()
        self._missing_since: dict[str, float] = {}

    def ids(self, topics: Collection[str]) -> dict[str, str]:
        """The id of each topic that exists, or "" where the broker gives none.

        Blocks; raises PublishFailed where the broker does not answer.
        """

        def ask(timeout_s: float) -> dict[str, str | None]:
            try:
                return {topic: _id_of(future, timeout_s) for topic, future in self._ask(topics, timeout_s).items()}
            except PublishFailed:
                self._choose_another_broker()
                raise

        return {topic: answer for topic, answer in ask_any_broker(ask).items() if answer is not None}

    @property
    def is_due(self) -> bool:
        """Whether it is time to ask again: no answer is due, and the last question was CHECK_S ago."""
        return not self._asked and self._clock() - self._asked_at >= CHECK_S

    def ask(self, topics: Collection[str]) -> None:
        """Asks in the background, also for topics that were missing a short time ago."""
        self._asked_at = self._clock()
        # Their partitions may be another member's by now. Without another answer such a topic would count as gone
        # although it was missing only once, from a broker that had just started.
        missing = {t: since for t, since in self._missing_since.items() if self._asked_at - since < 2 * GONE_S}
        self._missing_since = missing
        self._asked = self._ask({*topics, *missing})

    def gone(self) -> set[str]:
        """Topics that no broker has known for GONE_S."""
        return {topic for topic, since in self._missing_since.items() if self._clock() - since >= GONE_S}

    def answers(self) -> dict[str, str | None]:
        """What has been answered to `ask`, once; a topic that is not known now is None."""
        if not self._asked or not all(future.done() for future in self._asked.values()):
            return {}
        asked, self._asked = self._asked, {}
        found: dict[str, str | None] = {}
        for topic, future in asked.items():
            try:
                found[topic] = _id_of(future)
            except PublishFailed:  # asked again after CHECK_S
                continue
            if found[topic] is None:
                self._missing_since.setdefault(topic, self._clock())
            else:
                self._missing_since.pop(topic, None)
        return found

    def _choose_another_broker(self) -> None:
        """The client asks the controller, and under KRaft each metadata answer names a broker by chance as that.

        With the metadata that it had, ten tries in a row met the broker that was out of reach.
        """
        for _ in range(REFRESHES):
            with suppress(KafkaException):  # the next try says what is wrong
                self._admin.list_topics(timeout=REFRESH_S)
                return

    def _ask(self, topics: Collection[str], timeout_s: float = REQUEST_S) -> dict[str, Future[Any]]:
        asked: dict[str, Future[Any]] = {}
        if topics:
            asked = self._admin.describe_topics(TopicCollection(sorted(topics)), request_timeout=timeout_s)
        return asked


def ask_any_broker(ask: Callable[[float], T]) -> T:
    """The answer to a question that any broker can answer; `ask` takes a timeout in s and raises PublishFailed."""
    for timeout_s in TRIES_S[:-1]:
        try:
            return ask(timeout_s)
        except PublishFailed:  # the next try may meet another broker
            continue
    return ask(TRIES_S[-1])


def _id_of(future: Future[Any], timeout_s: float = REQUEST_S) -> str | None:
    """The id in an answer; None for a topic that does not exist, "" where the broker gives no id."""
    try:
        # The client's own timeout comes first and names a reason; the second more is for a client that gives none.
        return str(future.result(timeout_s + 1).topic_id)
    except KafkaException as error:
        reason: KafkaError = error.args[0]
    except TimeoutError:
        raise PublishFailed("the broker does not answer for the topics' ids") from None
    if reason.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return None
    if reason.code() in {KafkaError._TIMED_OUT, KafkaError._TRANSPORT}:  # noqa: SLF001 - the client's public constants
        raise PublishFailed(f"the broker does not answer for the topics' ids: {reason.name()}")
    return ""
