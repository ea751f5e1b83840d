"""The configuration of all librdkafka clients: the user's settings override ours, secrets are masked."""

from __future__ import annotations

import logging
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from pydantic import SecretStr

from shared.kafka.properties import MEMBERSHIP
from shared.logs import KAFKA_LOGGER
from shared.settings import MASK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.kafka.errors import ClientErrors
    from shared.kafka.settings import KafkaSettings

RECONNECT_MS: Final = 1_000
"""Longest back-off between two connection attempts. After a few disconnects in a row, the client's default of 10 s
delays everything: a repeated commit took over 20 s."""

_NAMED: Final = MappingProxyType(
    {
        "bootstrap.servers": "bootstrap_servers",
        "security.protocol": "security_protocol",
        "sasl.mechanism": "sasl_mechanism",
        "sasl.username": "sasl_username",
        "sasl.password": "sasl_password",
        "ssl.ca.location": "ssl_ca_location",
        "ssl.certificate.location": "ssl_certificate_location",
        "ssl.key.location": "ssl_key_location",
        "ssl.key.password": "ssl_key_password",
    }
)
"""Keys of librdkafka that have a setting of their own."""


def client_config(
    settings: KafkaSettings, errors: ClientErrors, ours: Mapping[str, str | int | float | bool]
) -> dict[str, Any]:
    """Builds a librdkafka configuration; the user's properties win over `ours`."""
    theirs = _theirs(settings)
    if "group.protocol" not in ours:
        # max.poll.interval.ms=6000 is right for a member with group.protocol=consumer, but below the default
        # session.timeout.ms (45000), so librdkafka would not build a consumer of the classic protocol with it.
        theirs = {key: value for key, value in theirs.items() if key not in MEMBERSHIP}
    plain = {
        key: value.get_secret_value() if isinstance(value, SecretStr) else value for key, value in theirs.items()
    }
    # The client's log lines repeat error_cb. It must not write them to standard error itself: see KAFKA_LOGGER.
    quiet = {"log_level": 2, "logger": logging.getLogger(KAFKA_LOGGER), "error_cb": errors}
    # Theirs come last: the allow-list in properties.py has no key that changes what is delivered (decision 17).
    return {**quiet, **ours, **plain}


def shown_config(settings: KafkaSettings) -> dict[str, Any]:
    """The part of the librdkafka configuration that comes from the settings, with secrets masked."""
    return {key: MASK if isinstance(value, SecretStr) else value for key, value in _theirs(settings).items()}


def _theirs(settings: KafkaSettings) -> dict[str, Any]:
    named = {key: getattr(settings, name) for key, name in _NAMED.items()}
    return {key: value for key, value in named.items() if value is not None} | {**settings.properties}
