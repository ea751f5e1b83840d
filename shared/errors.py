"""Every error that may end a process, and the exit code it ends with.

    SentimentError                70   something this project did not foresee
    ├── SettingsError             78   a setting is unknown, missing or wrong
    ├── InputDataError            65   a data set cannot be used as it is
    ├── ArtifactError             66   a model folder is missing, altered or unfit
    ├── KafkaUnreachable          69   no broker answers
    ├── KafkaRefused              77   the broker denies a right
    ├── KafkaStateError           76   topics or offsets are not as they must be
    ├── RecoveriesExhausted       75   Kafka failed too often; a restart may help
    ├── ScorerError               71   the device or the model failed
    └── TooManyDeadLetters        79   so much cannot be scored that something else must be wrong

Codes follow sysexits(3) where it has a fitting one. 2 is a usage error of the command line.
Bad *data of the stream* is no error: it is a value, `BadRecord` caught at once and dead-lettered.
"""

from __future__ import annotations


class SentimentError(Exception):
    """Ends the process; its message says what is wrong and what to do."""

    exit_code = 70


class SettingsError(SentimentError):
    """A setting is unknown, missing or wrong."""

    exit_code = 78


class InputDataError(SentimentError):
    """A data set cannot be used as it is."""

    exit_code = 65


class ArtifactError(SentimentError):
    """A model folder is missing, altered or unfit for this version."""

    exit_code = 66


class KafkaUnreachable(SentimentError):  # noqa: N818 - the tree reads as states of Kafka
    """No broker answers at the given address."""

    exit_code = 69


class KafkaRefused(SentimentError):  # noqa: N818
    """The broker denies a right or the credentials."""

    exit_code = 77


class KafkaStateError(SentimentError):
    """Topics or offsets are not as they must be."""

    exit_code = 76


class RecoveriesExhausted(SentimentError):  # noqa: N818
    """Publishing failed too often; a fresh process may succeed."""

    exit_code = 75


class ScorerError(SentimentError):
    """The device or the model failed in a way no single text explains."""

    exit_code = 71


class TooManyDeadLetters(SentimentError):  # noqa: N818
    """So many records cannot be scored that the cause is not in the records; a restart would not help."""

    exit_code = 79


class BadRecord(ValueError):  # noqa: N818 - a reason, turned into a dead letter at once
    """Why one input record will never be scored; the message never quotes the payload."""


class NullRecord(BadRecord):
    """Says that an input record deletes a row: there is nothing to score and nothing wrong with it."""
