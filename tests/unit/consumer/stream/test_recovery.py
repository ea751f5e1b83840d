"""The explanations of a broker's refusal."""

from __future__ import annotations

import pytest

from consumer.preflight.topic_config import Targets, TopicConfig
from consumer.stream.records import Deletion, Document
from consumer.stream.recovery import Refusals
from shared.errors import KafkaStateError
from tests.support.fakes import TARGETS, record

KNOWN = Targets(
    TopicConfig("sentiments", known=True, max_message_bytes=20_000),
    TopicConfig("sentiments.dlq", known=True, max_message_bytes=30_000),
)


@pytest.mark.parametrize(
    ("why", "key", "targets", "cause", "remedy"),
    [
        (
            "INVALID_RECORD",
            None,
            TARGETS,
            "{} takes no record without a key",
            "set cleanup.policy of {} to delete",
        ),
        ("INVALID_RECORD", b"k", TARGETS, "{} does not take it", "cleanup.policy"),
        ("INVALID_TIMESTAMP", None, TARGETS, "message.timestamp.before.max.ms", "look at the configuration of {}"),
        ("MSG_SIZE_TOO_LARGE", None, KNOWN, "larger than {} takes (max.message.bytes, at the start", "raise max."),
        (
            "RECORD_LIST_TOO_LARGE",
            None,
            TARGETS,
            "a size that is not known to this user",
            "raise max.message.bytes",
        ),
        ("INVALID_MSG", None, TARGETS, "{} does not take it", "look at the configuration of {}"),
    ],
)
def test_a_refusal_names_its_cause_and_what_to_do(
    why: str, key: bytes | None, targets: Targets, cause: str, remedy: str
) -> None:
    """Given a broker's error, when letters are made, then the reason has the cause; at the letter, the remedy."""
    refusals = Refusals(targets)
    one = Document(record(key=key, offset=7), "1", "a")
    other = Document(record(offset=8), "2", "b")
    refusals.add(one.record, why)

    kept, (letter,) = refusals.separate([one, other])
    with pytest.raises(KafkaStateError) as raised:
        refusals.add(one.record, why)

    assert kept == [other]
    assert (letter.record, letter.stage, letter.error) == (one.record, "publish", why)
    assert cause.format("sentiments") in letter.reason
    assert f"dead letter of texts-0-7 ({why})" in str(raised.value)
    assert cause.format("sentiments.dlq") in str(raised.value)
    assert remedy.format("sentiments.dlq") in str(raised.value)


def test_the_limit_is_told_where_it_is_known() -> None:
    """Given the topic's configuration, when a record is too large, then the letter has the limit in bytes."""
    refusals = Refusals(KNOWN)
    refusals.add(record(), "MSG_SIZE_TOO_LARGE")

    _, (letter,) = refusals.separate([Document(record(), "1", "a")])

    assert "20,000 bytes" in letter.reason


def test_a_null_that_is_refused_becomes_a_letter_too() -> None:
    """Given a null that the broker refuses, when read again, then it is a dead letter, once."""
    refusals = Refusals(TARGETS)
    one = Deletion(record(None), "why")
    refusals.add(one.record, "INVALID_RECORD")

    assert [letter.record for letter in refusals.separate([one])[1]] == [one.record]
    refusals.settle([one.record])
    assert refusals.separate([one]) == ([one], [])
