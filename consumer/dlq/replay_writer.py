"""Writes what a replay sends: inputs and their receipts in one transaction, by one process at a time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import structlog
from confluent_kafka import KafkaError, KafkaException, Producer

from shared.dlq.letters import receipt_of
from shared.errors import KafkaStateError, RecoveriesExhausted, SentimentError
from shared.kafka.errors import ClientErrors, explain, refused_configuration
from shared.kafka.transactions import (
    FENCED,
    INIT_S,
    NO_TRANSACTIONS,
    PURGED,
    REFUSED,
    TRANSACTION_TIMEOUT_MS,
    abort,
    drop,
    end,
    producer_config,
    repeat,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from confluent_kafka import Message

    from consumer.dlq.replay_targets import Target
    from consumer.settings import ConsumerSettings
    from shared.dlq.letters import Letter

log = structlog.get_logger()

FAILED_S: Final = 0.2
"""How long the client is given to say why a transaction failed: what it has not sent by then it never will."""

_INNOCENT: Final = PURGED | {KafkaError._INVALID_DIFFERENT_RECORD}  # noqa: SLF001
"""What the client says of records that failed for another's sake."""
_TOO_LARGE: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
_PASSING: Final = PURGED | {KafkaError._MSG_TIMED_OUT}  # noqa: SLF001


class RecordRefused(Exception):  # noqa: N818 - a state that the replay goes on from
    """Kafka will refuse one of these letters always, and so all that are written with it; says why."""


class _Failure(NamedTuple):
    error: KafkaError
    letter: Letter
    topic: str


class TransactionalWriter:
    """A transactional producer; entering takes over from any other replay, leaving drops what is unfinished."""

    def __init__(self, settings: ConsumerSettings) -> None:
        self.suspect = False
        """Whether the end of a transaction may have been sent twice."""
        self._gap = False
        """Whether a record was refused. librdkafka 2.16 goes on after its sequence number and not with it, so the
        next batch of the partition fails, for which it gets a new epoch; the transaction after that is well."""
        self._dlq_topic = settings.dlq_topic
        # Of the topic and not of the process: a second replay of it shuts the first out.
        self._id = f"sentiment-dlq-replay-{settings.dlq_topic}"
        self._servers = settings.kafka.bootstrap_servers
        self._deadline_s = settings.limits.commit_timeout_s
        self._errors = ClientErrors()
        config = producer_config(
            settings.kafka,
            self._errors,
            client_id="sentiment-dlq-replay",
            transactional_id=self._id,
            timeout_s=self._deadline_s,
            max_record_bytes=settings.limits.max_output_bytes,
        )
        try:
            self._producer = Producer(config)
        except KafkaException as error:
            raise refused_configuration(error) from None

    def __enter__(self) -> Self:
        """Ends the transaction of whoever wrote before, and shuts it out."""
        try:
            repeat(lambda: self._producer.init_transactions(10), INIT_S)
        except KafkaException as error:
            self._producer.purge()
            if error.args[0].code() in NO_TRANSACTIONS:
                raise KafkaStateError("this Kafka has no transactions; a replay needs them") from None
            raise self._ended(error.args[0]) from None
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Takes an unfinished transaction back, for which readers of the target would wait otherwise."""
        if kind is not None:
            abort(self._producer)
        drop(self._producer)

    def write(self, letters: Sequence[tuple[Letter, Target]]) -> None:
        """Writes letters' inputs to their topics, and the receipts, all or none.

        Raises RecordRefused, with all taken back and the writer as good as before, or an explained error.
        """
        try:
            failures = self._send(letters)
            if failures and self._gap and not any(failed.error.code() in REFUSED for failed in failures):
                self._gap = False
                failures = self._send(letters)
            if failures:
                # The producer is kept: a new one for each refusal took 1 to 2 s instead of 2 to 20 ms, and every
                # receipt would have to be read again.
                self._gap = True
                raise self._undelivered(failures, letters)
            self._end(self._producer.commit_transaction)
        except KafkaException as error:
            raise self._ended(error.args[0]) from None
        except SystemError:  # what confluent-kafka 2.16 makes of an error that is fatal to the producer
            raise _stopped("the producer failed for good") from None

    def _send(self, letters: Sequence[tuple[Letter, Target]]) -> list[_Failure]:
        """Opens a transaction and fills it; with anything undelivered, which is returned, it is aborted again."""
        failures: list[_Failure] = []
        self._producer.begin_transaction()
        try:
            for letter, target in letters:
                self._write(letter, target, failures)
        except KafkaException:
            self._producer.flush(FAILED_S)
            if not failures:  # else the transaction is over for a record that was refused meanwhile
                raise
        deadline = time.monotonic() + self._deadline_s
        # In short steps: after a failure the client sends nothing more, and one flush would wait out its timeout.
        while (waiting := self._producer.flush(FAILED_S)) and not failures:
            if time.monotonic() > deadline:
                raise _stopped(f"{waiting} records were not acknowledged within {self._deadline_s:g} s")
        if failures:
            self._abort(failures)
        return failures

    def _abort(self, failures: list[_Failure]) -> None:
        """Aborts the transaction; the client then reports every record that it had not sent yet."""
        try:
            self._end(self._producer.abort_transaction)
        except KafkaException:
            if all(failed.error.code() in _INNOCENT | REFUSED for failed in failures):
                raise  # else what failed before says more

    def _write(self, letter: Letter, target: Target, failures: list[_Failure]) -> None:
        place, origin = letter.envelope.place, letter.envelope.origin
        self._queue(
            letter,
            failures,
            topic=target.name,
            partition=origin.partition % target.partitions,
            key=letter.key,
            value=letter.value,
            headers=list(letter.headers),
            # 0 is "now" to the client, so an input stamped 0 gets the time of the replay.
            timestamp=origin.timestamp_ms or 0,
        )
        key, headers = receipt_of(place, target.name)
        # Behind its letter in the letter's partition, so that retention takes the letter first.
        receipt = {"partition": place.partition, "key": key, "value": b"", "headers": list(headers)}
        self._queue(letter, failures, topic=self._dlq_topic, **receipt)

    def _queue(self, letter: Letter, failures: list[_Failure], *, topic: str, **record: Any) -> None:
        def delivered(error: KafkaError | None, _message: Message | None) -> None:
            if error is not None:
                failures.append(_Failure(error, letter, topic))

        deadline = time.monotonic() + self._deadline_s
        while True:
            try:
                self._producer.produce(topic=topic, **record, on_delivery=delivered)
            except BufferError:
                if time.monotonic() > deadline:
                    raise _stopped("the producer's queue stayed full") from None
                self._producer.poll(0.05)
            except KafkaException as error:
                if error.args[0].code() not in REFUSED:
                    raise
                return delivered(error.args[0], None)  # as if the broker had refused it
            else:
                return None

    def _end(self, call: Callable[[], None]) -> None:
        """Ends the transaction, and notes whether the request may have been sent twice."""
        if end(call):
            self.suspect = True

    def _undelivered(self, failures: list[_Failure], letters: Sequence[tuple[Letter, Target]]) -> RecordRefused:
        """Which record is to blame; raises an explained error where none is.

        A broker refuses whole batches: the largest letter is the likely cause.
        """
        causes = [failed for failed in failures if failed.error.code() not in _INNOCENT] or failures
        refused = [failed for failed in causes if failed.error.code() in REFUSED]
        if not refused:
            raise self._ended(causes[0].error)
        failed = max(refused, key=lambda failed: failed.letter.size)
        if failed.topic == self._dlq_topic and len(letters) == 1:
            raise KafkaStateError(
                f"{self._dlq_topic} refuses receipts ({failed.error.name()}: {failed.error.str()}), without which "
                "nothing is replayed; correct the settings of this topic"
            )
        return RecordRefused(_refusal(failed))

    def _ended(self, error: KafkaError) -> SentimentError:
        if error.code() in FENCED:
            return KafkaStateError(
                f"another replay of {self._dlq_topic} has taken over, or this one stood still for "
                f"{TRANSACTION_TIMEOUT_MS // 1000} s; what it replayed has its receipts, the rest is the other's"
            )
        if error.retriable() or error.txn_requires_abort() or error.code() in _PASSING:
            return _stopped(f"{error.name()}: {error.str()}")
        rights = {
            KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: f"WRITE on transactional id {self._id}",
            KafkaError.TOPIC_AUTHORIZATION_FAILED: f"WRITE on {self._dlq_topic} or a topic that is replayed to",
        }
        return explain(error, self._servers, rights)


def _stopped(why: str) -> RecoveriesExhausted:
    return RecoveriesExhausted(
        f"the replay stopped: {why}; letters replayed before have their receipts, the same command does the rest"
    )


def _refusal(failed: _Failure) -> str:
    error, letter, topic = failed
    if error.code() in _TOO_LARGE:
        return (
            f"{topic} refuses its {letter.size} bytes as too large; raise max.message.bytes of the topic or "
            "SENTIMENT_LIMITS__MAX_OUTPUT_BYTES"
        )
    if error.code() == KafkaError.INVALID_TIMESTAMP:
        stamp = letter.envelope.origin.timestamp_ms
        return f"{topic} refuses its timestamp {stamp}; see message.timestamp.*.max.ms of the topic"
    return f"{topic} refuses it: {error.name()}: {error.str()}"
