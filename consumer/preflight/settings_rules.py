"""What `config check` says of a settings file by itself: no broker, no model, no environment."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any, Final, get_args, get_type_hints

from pydantic import SecretStr
from typing_extensions import is_typeddict

from consumer.preflight.problem import Problem
from consumer.settings import ConsumerSettings
from shared.kafka.exposure import plaintext_endpoint, plaintext_hosts, unverified
from shared.settings import MASK, Settings, field_of, variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from shared.kafka.settings import KafkaSettings
    from shared.settings import Examined

_OTHERS_READ: Final = stat.S_IRGRP | stat.S_IROTH
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def settings_problems(found: Examined[ConsumerSettings], file: Path) -> list[Problem]:
    """What `run` would refuse, and then what is deprecated, dangerous or without effect."""
    problems = [Problem(fault, is_fatal=True) for fault in found.faults]
    problems += _deprecated(ConsumerSettings, found.given)
    problems += _file_rights(_secrets(ConsumerSettings, found.given), file)
    if settings := found.settings:
        problems += [
            *_connection(settings.kafka),
            *_login(settings.kafka, found.given),
            *_without_effect(settings),
            *_risks(settings),
        ]
    return problems


def _deprecated(model: type[Settings], given: Mapping[str, Any]) -> Iterator[Problem]:
    for name in given:
        if message := field_of(model, name).deprecation_message:
            yield Problem(f"{name} is deprecated: {message}")


def _file_rights(secrets: Mapping[str, Any], file: Path) -> Iterator[Problem]:
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & _OTHERS_WRITE:
        yield Problem(f"others can change {file} (mode {mode:o}): chmod go-w {file}")
    for name, value in secrets.items():
        if value == MASK:
            yield Problem(f"{name} is {MASK}, which `config show` writes in place of a secret")
    if secrets and mode & _OTHERS_READ:
        names = ", ".join(secrets)
        variables = ", ".join(dict.fromkeys(variable(name.partition("[")[0]) for name in secrets))
        yield Problem(f"others can read {names} (mode {mode:o}): chmod go-r {file}, or set {variables} instead")


def _secrets(model: type[Settings], given: Mapping[str, Any]) -> dict[str, Any]:
    """The secrets in the file by name; a key within a mapping is in brackets."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        kind = field_of(model, name).annotation
        if SecretStr in (kind, *get_args(kind)):
            found[name] = value
        elif is_typeddict(kind) and isinstance(value, dict):
            hints = get_type_hints(kind)
            found |= {f"{name}[{key}]": one for key, one in value.items() if hints.get(key) is SecretStr}
    return found


def _connection(kafka: KafkaSettings) -> Iterator[Problem]:
    """What `kafka.insecure` lets pass."""
    if not kafka.insecure:
        return
    hosts = plaintext_hosts(kafka.bootstrap_servers, kafka.security_protocol)
    hosts += plaintext_endpoint(kafka.properties.get("sasl.oauthbearer.token.endpoint.url", ""))
    if hosts:
        yield Problem(
            f"kafka.insecure: texts and credentials cross the network to {', '.join(hosts)} unencrypted; set "
            "kafka.security_protocol to sasl_ssl where the network is not private"
        )
    if off := unverified(kafka.properties):
        yield Problem(f"kafka.insecure: {off} lets anybody answer in the broker's place; remove it")
    if not hosts and not off:
        yield Problem(
            "kafka.insecure allows nothing that this file needs; remove it, or it hides a later change that does"
        )


def _login(kafka: KafkaSettings, given: Mapping[str, Any]) -> Iterator[Problem]:
    protocol = kafka.security_protocol
    unused = [name for name in given if name.startswith("kafka.sasl_")]
    if protocol in {"plaintext", "ssl"} and unused:
        yield Problem(
            f"{', '.join(unused)}: without effect, as clients do not log in with kafka.security_protocol "
            f"{protocol}; set it to sasl_ssl"
        )
    if protocol.startswith("sasl") and kafka.sasl_mechanism is None:
        yield Problem(
            f"kafka.security_protocol is {protocol} and kafka.sasl_mechanism is not set; set it to one such as "
            f"SCRAM-SHA-512, here or in {variable('kafka.sasl_mechanism')}"
        )
    if protocol == "sasl_plaintext" and not kafka.insecure:
        yield Problem(
            "kafka.security_protocol sasl_plaintext sends the login unencrypted, which is right for a tunnel that "
            "begins on this machine and for nothing else; set it to sasl_ssl"
        )


def _without_effect(settings: ConsumerSettings) -> Iterator[Problem]:
    if settings.delivery == "at-least-once" and settings.instance_id:
        yield Problem(
            "instance_id is without effect with delivery at-least-once, which has no transactions to "
            "name; remove one of the two"
        )
    if not settings.drift.enabled and settings.drift.window != type(settings.drift)().window:
        yield Problem("drift.window is without effect while drift.enabled is false")


def _risks(settings: ConsumerSettings) -> Iterator[Problem]:
    limits = settings.limits
    if settings.log_level == "debug":
        yield Problem("log_level debug: an unforeseen error then quotes its exception, which may hold a text")
    if limits.dlq_share == 1:
        yield Problem(
            "limits.dlq_share 1: no share of dead letters ends a run, so that a wrong field or model may turn "
            "most of a topic into them"
        )
    if settings.include_text and limits.max_record_bytes > limits.max_output_bytes:
        yield Problem(
            "include_text: limits.max_record_bytes is above limits.max_output_bytes, so that an allowed input may "
            "have a result that is too large, which makes it a dead letter; lower the one or raise the other"
        )
    for name in ("until_idle_s", "max_messages"):
        if getattr(settings, name) is not None:
            yield Problem(f"{name}: the run ends by itself; leave it out for a service")
