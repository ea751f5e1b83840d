"""Kafka out: results, dead letters and the input's offsets, at least once or exactly once.

The loop cannot tell the two apart. Both write to the partition that follows from the input's, so the
order of every input partition is kept; both are replaced as a whole after any failure, because
librdkafka's producer cannot be trusted with messages of an aborted attempt still in its queues.
"""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Any, Final

import structlog
from confluent_kafka import KafkaException

from consumer.events import OutputWritten, TransactionChanged
from consumer.kafka.offsets import as_partitions
from consumer.log_events import log_event
from consumer.stall_watchdog import returning
from consumer.stream.records import PublishFailed
from shared.errors import KafkaStateError, RecoveriesExhausted
from shared.kafka.transactions import INIT_S, NO_TRANSACTIONS, TRANSACTION_TIMEOUT_MS, abort, end, repeat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumer.events import Observer
    from consumer.kafka.commit_metadata import Commit
    from consumer.kafka.sender import Sender
    from consumer.stream.records import Outgoing

log = structlog.get_logger()

START_S: Final = 30.0
"""INIT_S for the first producer of a process, shorter because an operator waits for the start."""

_METADATA_START: Final = b"CGMDv2:"


class AtLeastOnceOutbox:
    """Idempotent producer, then a synchronous commit: a crash in between repeats, with equal ids."""

    def __init__(
        self, sender: Sender, commit: Callable[[Sequence[Commit]], None], observer: Observer = log_event
    ) -> None:
        self._sender = sender
        self._commit = commit
        self._observer = observer

    def publish(
        self, results: Sequence[Outgoing], dead_letters: Sequence[Outgoing], commits: Sequence[Commit]
    ) -> None:
        """Writes all, waits for the acknowledgements, then commits; raises PublishFailed."""
        began = time.monotonic()
        if results or dead_letters:
            self._sender.send(results, dead_letters)
            self._sender.flush()
        self._observer(written(results, dead_letters, commits, began))
        try:
            self._commit(commits)
        except PublishFailed as failure:
            raise PublishFailed(str(failure), is_written=True) from None

    def reset(self) -> None:
        """Replaces the producer."""
        self._sender.replace()

    def close(self) -> None:
        """Drops what is unfinished."""
        self._sender.close()


class ExactlyOnceOutbox:
    """Results, dead letters and offsets in one transaction per publish.

    The producer is replaced after any failure and after any suspiciously slow commit: librdkafka speaks
    the first version of the transaction protocol, in which a delayed request to end one transaction can
    end a later one. A new producer raises the epoch, which shuts such stragglers out.

    Offsets are added on a thread that can be left behind: while the group's coordinator is away the call
    ignores its timeout (librdkafka 2.16, its issues 5456 and 5511), and may not return when that is back.
    """

    def __init__(self, sender: Sender, group_metadata: Callable[[], Any], observer: Observer = log_event) -> None:
        self._sender = sender
        self._observer = observer
        self._group_metadata = group_metadata
        self._suspect = False
        self._is_open = False
        """Whether a transaction was begun whose end is not known."""
        try:
            self._begin(START_S)
        except PublishFailed as failure:
            raise RecoveriesExhausted(
                f"no transaction can be begun ({failure}); exactly-once needs Kafka's transaction coordinator: is "
                "transaction.state.log.replication.factor above the number of brokers? Start again, or run with "
                "--delivery at-least-once"
            ) from None

    def publish(
        self, results: Sequence[Outgoing], dead_letters: Sequence[Outgoing], commits: Sequence[Commit]
    ) -> None:
        """Writes all and the offsets in one transaction; raises PublishFailed when it must be taken back."""
        # The mutant `no_recycle` keeps the producer: of 8,000 messages 120 came twice after delayed EndTxns.
        if self._suspect:
            self.reset()
        producer = self._sender.producer
        try:
            producer.begin_transaction()
            self._is_open = True
            self._observer(TransactionChanged("begun"))
            began = time.monotonic()
            self._write(results, dead_letters)
            self._observer(written(results, dead_letters, commits, began))
            self._send_offsets(commits)
            self._suspect = end(producer.commit_transaction)
            # Not in a `finally`: after an error the end is not known, and `close` must try to abort.
            self._is_open = False
            self._observer(TransactionChanged("committed"))
        except KafkaException as error:
            raise self._sender.failed(error.args[0]) from None

    def _write(self, results: Sequence[Outgoing], dead_letters: Sequence[Outgoing]) -> None:
        # Offsets alone: skipped deletions, or the end of a partition behind transaction markers.
        if not results and not dead_letters:
            return
        try:
            self._sender.send(results, dead_letters)
            self._sender.flush()
        except PublishFailed as failure:
            raise self._reason(failure) from None

    def _reason(self, failure: PublishFailed) -> Exception:
        """Why a transaction failed whose records say no more than that they were purged.

        Where the broker denies a topic only the transaction knows. Beginning another within it is never
        allowed, changes nothing, and is answered with what has broken it.
        """
        try:
            self._sender.producer.begin_transaction()
        except KafkaException as error:
            if error.args[0].txn_requires_abort():
                return self._sender.failed(error.args[0])
        return failure

    def _send_offsets(self, commits: Sequence[Commit]) -> None:
        # Asked for at each publish: a rebalance changes the generation, and the broker refuses an older one.
        metadata = require_membership(self._group_metadata())
        producer, offsets = self._sender.producer, as_partitions(commits)

        def send() -> bool:
            # Ends the retries of a thread that was left behind: by then the broker has aborted the transaction.
            return repeat(
                lambda: producer.send_offsets_to_transaction(offsets, metadata), TRANSACTION_TIMEOUT_MS / 1000
            )

        try:
            # A member that waited inside the call stood still for minutes with 4,652 messages left; its heartbeats
            # went on, so nobody took over its partitions.
            returning(send, self._sender.deadline_s, "offsets")
        except KafkaException as error:
            raise self._sender.failed(error.args[0], {offset.topic for offset in offsets}) from None
        except TimeoutError:
            self._sender.abandon()
            raise PublishFailed(
                f"the group's coordinator took no offsets within {self._sender.deadline_s:g} s"
            ) from None

    def reset(self) -> None:
        """Takes back the open transaction, if there is one, and begins with a new producer."""
        abort(self._sender.producer)
        self._note_abort()
        self._sender.replace()
        self._begin(INIT_S)

    def close(self) -> None:
        """Takes back the open transaction, if there is one: read_committed readers wait for its end.

        Where that fails within ABORT_S it is left to the next producer of this id, or to the transaction's
        timeout.
        """
        if self._is_open:
            abort(self._sender.producer)
            self._note_abort()
        self._sender.close()

    def _note_abort(self) -> None:
        if self._is_open:
            self._is_open = False
            self._observer(TransactionChanged("aborted"))

    def _begin(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                # 0.06 to 0.5 s, 1 to 4 s while a broker is down; a call that timed out is repeated and resumes.
                self._sender.producer.init_transactions(10)
            except KafkaException as error:
                reason = error.args[0]
                if reason.code() in NO_TRANSACTIONS:
                    raise KafkaStateError(
                        "this Kafka has no transactions; run with --delivery at-least-once"
                    ) from None
                if not reason.retriable() or time.monotonic() > deadline:
                    raise self._sender.failed(reason) from None
            else:
                self._suspect = self._is_open = False
                return


def written(
    results: Sequence[Outgoing], dead_letters: Sequence[Outgoing], commits: Sequence[Commit], began_s: float
) -> OutputWritten:
    """The event of a publish that the brokers have acknowledged; `began_s` by the monotonic clock."""
    return OutputWritten(
        results=len(results),
        dead_letters=[letter.source for letter in dead_letters],
        places=[commit.place for commit in commits],
        send_s=time.monotonic() - began_s,
    )


def require_membership(metadata: Any) -> Any:
    """Refuses the metadata of a consumer that is not a member now: the broker would not fence it."""
    raw = bytes(metadata)
    if not raw.startswith(_METADATA_START):
        raise KafkaStateError("this version of confluent-kafka writes group metadata in an unknown form")
    # The client has no accessors: it is a generation as int32, then group and member, each ended by a zero byte.
    (generation,) = struct.unpack_from("=i", raw, len(_METADATA_START))
    _group, member, _rest = raw[len(_METADATA_START) + 4 :].split(b"\0", 2)
    # Brokers skip the fencing of a classic group for generation -1 with an empty member id.
    if generation < 0 or not member:
        raise PublishFailed("this consumer is between two memberships of its group")
    return metadata
