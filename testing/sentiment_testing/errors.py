"""What goes wrong in a test environment; each message says what to do.

SentimentTestingError
├── BrokerError           a broker that should work does not
│   ├── NoBrokerError     no kind of Kafka is available here
│   └── UnavailableError  one kind of Kafka is not available here
├── ConsumerError         a consumer ended, or did not do in time what was waited for
└── NotInTimeError        fewer records than a test waits for
"""

from __future__ import annotations


class SentimentTestingError(Exception):
    """Base of all errors of this package."""


class BrokerError(SentimentTestingError):
    """A broker that should work does not; the message says how it failed."""


class NoBrokerError(BrokerError):
    """No broker is available here; the message lists what was tried and why each attempt failed."""


class UnavailableError(BrokerError):
    """One kind of Kafka is not available on this machine; `start_kafka` tries the next."""


class ConsumerError(SentimentTestingError):
    """A consumer ended or hung; the message has its exit code and the last lines of its log."""


class NotInTimeError(SentimentTestingError):
    """Fewer records arrived than a test waits for; the message has both numbers and the consumer's last lines."""
