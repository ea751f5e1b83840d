"""Every error that can end a process, with its exit code.

    SentimentError                70   an unexpected error
    ├── SettingsError             78   a setting is unknown, missing or wrong
    ├── InputDataError            65   a data set, or a model from elsewhere, cannot be used
    ├── ArtifactError             66   a model folder is missing, altered or unfit
    ├── KafkaUnreachable          69   no broker answers
    ├── KafkaRefused              77   the broker denies a right
    ├── KafkaStateError           76   topics or offsets are in an unusable state
    ├── RecoveriesExhausted       75   Kafka failed too often; a restart may help
    ├── ScorerError               71   the device or the model failed
    ├── TooManyDeadLetters        79   the dead-letter limit is exceeded
    ├── GatesMissed               80   a model is not as good as was asked
    └── UnfitData                 81   parts of a data set overlap, or labels of a text conflict (--strict)

Codes follow sysexits(3) if it has a fitting one. 2 is a usage error of the command line.
Bad records of the stream do not end the process: `BadRecord` is caught at once and becomes a dead letter.
"""

from __future__ import annotations


class SentimentError(Exception):
    """Ends the process; its message says what is wrong and what to do."""

    exit_code = 70


class SettingsError(SentimentError):
    """A setting is unknown, missing or wrong."""

    exit_code = 78


class InputDataError(SentimentError):
    """A data set, or a model that is to be adopted or trained, cannot be used; the message says what to change."""

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
    """Topics or offsets are in an unusable state; the message says which."""

    exit_code = 76


class RecoveriesExhausted(SentimentError):  # noqa: N818
    """Publishing failed too often; a new process may succeed."""

    exit_code = 75


class ScorerError(SentimentError):
    """The device or the model failed, and the cause is not a single text."""

    exit_code = 71


class TooManyDeadLetters(SentimentError):  # noqa: N818
    """The dead-letter limit is exceeded: the cause is not in the records, and a restart does not help."""

    exit_code = 79  # sysexits(3) ends at 78


class GatesMissed(SentimentError):  # noqa: N818
    """A model is not as good as was asked; the lines before this error say in which figures."""

    exit_code = 80


class UnfitData(SentimentError):  # noqa: N818 - the data is at fault, not the program
    """Parts of a data set overlap, or a text has several labels, and the user asked to stop there (--strict)."""

    exit_code = 81


# Not a SentimentError: a handler for the end of the process must never catch one bad record.
class BadRecord(ValueError):  # noqa: N818 - a reason, turned into a dead letter at once
    """An input record cannot be scored; the message says why and never quotes the payload."""


class NullRecord(BadRecord):
    """An input record deletes a row: it has nothing to score and is not faulty."""
