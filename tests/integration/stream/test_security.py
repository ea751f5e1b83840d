"""Against a Kafka that trusts nobody: exactly the documented rights suffice, and every refusal is one line."""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import pytest
import trustme
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from consumer.plan.sample import of_topics
from consumer.settings import ConsumerSettings
from sentiment_testing.kafka import UnavailableError
from shared.errors import KafkaRefused
from shared.kafka.labels.reader import LabelReader, latest
from shared.kafka.labels.writer import LabelWriter
from shared.settings import load_settings
from tests.conftest import skip_or_fail
from tests.integration.conftest import Topics
from tests.support.labels import label
from tests.support.processes import run_command
from tests.support.secure_kafka import ADMIN, USER, SecureBroker, secure_kafka
from tests.support.topics import Sent, produce, read_all

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from shared.kafka.settings import KafkaSettings
    from shared.messages import Label, LabelKey
    from tests.integration.conftest import Consumers

MESSAGES: Final = 200
ANSWER_S: Final = 10.0
DENIED, UNREACHABLE, WRONG_SETTING = 77, 69, 78

AT_LEAST_ONCE: Final = ("input", "output", "dlq", "group")
EXACTLY_ONCE: Final = (*AT_LEAST_ONCE, "transactional id")
"""The rights of docs/runbook.md, grouped by resource."""


@dataclass(frozen=True, slots=True)
class Secured:
    """Topics of one test on the secured broker, and the operations on them."""

    broker: SecureBroker
    admin: AdminClient
    topics: Topics

    def env(self, **settings: str) -> dict[str, str]:
        """The settings of `USER`'s login as variables; `settings` override them."""
        login = {
            "security_protocol": "sasl_ssl",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": USER,
            "sasl_password": self.broker.passwords[USER],
            "ssl_ca_location": str(self.broker.ca),
            "insecure": "false",  # `run_command` allows it where a cluster is named that other tests use
        }
        return {f"SENTIMENT_KAFKA__{name.upper()}": value for name, value in {**login, **settings}.items()}

    def right(self, what: str) -> tuple[AclOperation, ResourceType, str]:
        """The right on the input, output, dlq, group or transactional id of this test."""
        return {
            "input": (AclOperation.READ, ResourceType.TOPIC, self.topics.texts),
            "output": (AclOperation.WRITE, ResourceType.TOPIC, self.topics.sentiments),
            "dlq": (AclOperation.WRITE, ResourceType.TOPIC, self.topics.letters),
            "group": (AclOperation.READ, ResourceType.GROUP, self.topics.group),
            "transactional id": (
                AclOperation.WRITE,
                ResourceType.TRANSACTIONAL_ID,
                f"sentiment:{self.topics.group}:",
            ),
            **{
                f"{operation.name} labels": (operation, ResourceType.TOPIC, self.labels)
                for operation in (
                    *(AclOperation.CREATE, AclOperation.WRITE),
                    *(AclOperation.DESCRIBE_CONFIGS, AclOperation.READ),
                )
            },
        }[what]

    @property
    def labels(self) -> str:
        """A topic of labels, which does not exist yet."""
        return f"{self.topics.texts}-labels"

    def named(self, what: str) -> str:
        """The name of that right in an error."""
        operation, kind, name = self.right(what)
        instance = "0" if kind is ResourceType.TRANSACTIONAL_ID else ""
        return f"{operation.name} on {kind.name.lower().replace('_', ' ')} {name}{instance}"

    def grant(self, *rights: str) -> None:
        """Gives `USER` these rights and waits until they are in force."""
        bindings = [
            AclBinding(kind, name, _pattern(kind), f"User:{USER}", "*", operation, AclPermissionType.ALLOW)
            for operation, kind, name in map(self.right, rights)
        ]
        for created in self.admin.create_acls(bindings).values():
            created.result(ANSWER_S)
        for what in rights:
            self._await(what, there=True)

    def revoke(self, what: str) -> None:
        """Takes one right away and waits until it is gone."""
        (deleted,) = self.admin.delete_acls([self._filter(what)]).values()
        assert len(deleted.result(ANSWER_S)) == 1
        self._await(what, there=False)

    def send(self, values: list[bytes]) -> None:
        """Writes input values as the administrator."""
        login = self.broker.login(ADMIN)
        produce(self.topics.servers, self.topics.texts, [Sent(value) for value in values], login)

    def result_ids(self) -> Counter[str]:
        """Counts the results by id, as the administrator reads them."""
        messages = read_all(self.topics.servers, self.topics.sentiments, login=self.broker.login(ADMIN))
        return Counter(json.loads(message.value() or b"")["id"] for message in messages)

    def _filter(self, what: str) -> AclBindingFilter:
        operation, kind, name = self.right(what)
        return AclBindingFilter(
            kind, name, _pattern(kind), f"User:{USER}", "*", operation, AclPermissionType.ALLOW
        )

    def _await(self, what: str, *, there: bool) -> None:
        deadline = time.monotonic() + ANSWER_S
        while bool(self.admin.describe_acls(self._filter(what)).result(ANSWER_S)) != there:
            assert time.monotonic() < deadline, f"{self.named(what)} did not change"
            time.sleep(0.05)


def _pattern(kind: ResourceType) -> ResourcePatternType:
    """As in the runbook: transactional ids by prefix, for every instance, and everything else by name."""
    return ResourcePatternType.PREFIXED if kind is ResourceType.TRANSACTIONAL_ID else ResourcePatternType.LITERAL


@pytest.fixture(scope="module")
def secure_broker() -> Iterator[SecureBroker]:
    """A secured Kafka; if Java or Kafka is missing its tests are skipped, or fail under CI=true."""
    with ExitStack() as stack:
        try:
            found = stack.enter_context(secure_kafka())
        except UnavailableError as reason:
            skip_or_fail(f"no secured Kafka: {reason}")
        yield found


@pytest.fixture
def secured(secure_broker: SecureBroker) -> Iterator[Secured]:
    """New topics and a new group on the secured broker, on which `USER` has no rights yet."""
    names = [f"{name}-{uuid4().hex[:8]}" for name in ("texts", "sentiments", "letters")]
    topics = Topics(secure_broker.bootstrap_servers, names[0], names[1], names[2], f"group-{uuid4().hex[:8]}")
    with AdminClient({**secure_broker.login(ADMIN)}) as admin:
        for created in admin.create_topics([NewTopic(name, 1) for name in names]).values():
            created.result(ANSWER_S)
        yield Secured(secure_broker, admin, topics)


def texts(count: int) -> list[bytes]:
    """Input values with the ids 0, 1, ..."""
    return [
        json.dumps({"id": str(number), "text": f"message {number} is fine"}).encode() for number in range(count)
    ]


def flags(secured: Secured, model: Path, *more: str) -> list[str]:
    """Flags of `run` and `check` for these topics, as instance 0."""
    return secured.topics.flags("--model", str(model), "--device", "cpu", "--instance-id", "0", *more)


def only_error(stderr: bytes | str) -> str:
    """The one line that says why a process ended; every other line must be a log line, ours or librdkafka's."""
    lines = (stderr if isinstance(stderr, str) else stderr.decode()).splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert len(errors) == 1, lines
    for line in lines:
        assert line in errors or "event" in json.loads(line), line
    return errors[0]


@pytest.mark.parametrize(
    ("delivery", "rights"), [("at-least-once", AT_LEAST_ONCE), ("exactly-once", EXACTLY_ONCE)]
)
def test_the_documented_rights_suffice(
    *, delivery: str, rights: tuple[str, ...], secured: Secured, model: Path, consumers: Consumers
) -> None:
    """Given exactly these rights, when texts and a bad one arrive, then all is written once; check is ok."""
    secured.grant(*rights)
    secured.send([*texts(MESSAGES), b"not JSON"])
    arguments = flags(secured, model, "--delivery", delivery)

    consumer = consumers.start([*arguments, "--max-messages", str(MESSAGES + 1)], secured.env())
    assert consumer.wait() == 0, consumer.log

    assert secured.result_ids() == Counter({str(number): 1 for number in range(MESSAGES)})
    login = secured.broker.login(ADMIN)
    assert len(read_all(secured.topics.servers, secured.topics.letters, login=login)) == 1
    done = run_command("consumer", "check", *arguments, env=secured.env())
    assert done.returncode == 0, done.stdout
    names = ", ".join(map(secured.named, rights))
    assert f"rights    {names}\n" in done.stdout.decode()


@pytest.mark.parametrize("missing", AT_LEAST_ONCE)
def test_a_missing_right_is_named(*, missing: str, secured: Secured, model: Path) -> None:
    """Given all rights except one, when `run` or `check` starts, then it ends with code 77 and names that one."""
    secured.grant(*(what for what in EXACTLY_ONCE if what != missing))
    secured.send(texts(1))
    arguments = flags(secured, model, "--delivery", "exactly-once")

    done = run_command("consumer", "run", *arguments, env=secured.env())
    assert done.returncode == DENIED
    wanted = f"missing: {secured.named(missing)}; ask the cluster's owner for these rights for user {USER}"
    assert only_error(done.stderr) == f"error: {wanted}"
    assert b"model_ready" not in done.stderr

    done = run_command("consumer", "check", *arguments, env=secured.env())
    assert done.returncode == DENIED
    assert f"FAIL rights    {wanted}\n" in done.stdout.decode()
    assert done.stderr == b""


def test_a_transactional_id_that_may_not_be_used_is_named(*, secured: Secured, model: Path) -> None:
    """Given no right on the group's transactional ids, then `check` does not test it and `run` ends with 77.

    `check` asks with an id that nobody has, so it cannot see a literal right on the id of an instance.
    """
    secured.grant(*AT_LEAST_ONCE)
    arguments = flags(secured, model, "--delivery", "exactly-once")
    named = secured.named("transactional id")

    done = run_command("consumer", "check", *arguments, env=secured.env())
    assert done.returncode == 0, done.stdout
    assert (
        f"; not asked, since that would fence a running member: {named}, which run needs" in done.stdout.decode()
    )

    done = run_command("consumer", "run", *arguments, env=secured.env())
    assert done.returncode == DENIED
    assert only_error(done.stderr) == f"error: Kafka denies {named}; ask the cluster's owner for this right"


@pytest.mark.parametrize(
    ("delivery", "lost"),
    [
        *(("exactly-once", what) for what in ("input", "output", "group", "transactional id")),
        *(("at-least-once", what) for what in ("input", "output", "group")),
    ],
)
def test_a_right_taken_away_ends_the_run(
    *, delivery: str, lost: str, secured: Secured, model: Path, consumers: Consumers
) -> None:
    """Given a running consumer, when a right is revoked and a text arrives, then it ends with 77 and names it."""
    secured.grant(*EXACTLY_ONCE)
    secured.send(texts(1))
    consumer = consumers.start(flags(secured, model, "--delivery", delivery), secured.env())
    consumer.await_log('"event": "batch"')

    secured.revoke(lost)
    secured.send(texts(1))

    assert consumer.wait() == DENIED, consumer.log
    assert secured.named(lost) in only_error(consumer.log)


def test_nobody_is_told_of_topics_that_are_hidden(*, secured: Secured, model: Path) -> None:
    """Given no rights at all, when `run` starts, then all are named at once, and no topic is reported missing."""
    done = run_command("consumer", "run", *flags(secured, model), env=secured.env())
    assert done.returncode == DENIED
    assert ", ".join(map(secured.named, AT_LEAST_ONCE)) in only_error(done.stderr)


def test_topics_create_names_the_right_it_lacks(*, secured: Secured) -> None:
    """Given no right to create, when topics are created, then the code is 77 and the right is named."""
    done = run_command(
        *("consumer", "topics", "create", "--bootstrap-servers", secured.topics.servers),
        *("--input-topic", "new-topic"),
        env=secured.env(),
    )
    assert done.returncode == DENIED
    assert "CREATE on topic new-topic" in only_error(done.stderr)


def test_an_archive_needs_the_topic_alone(*, secured: Secured, tmp_path: Path) -> None:
    """Given READ on a topic and on no group, when it is archived, then all is there; without READ, 77 names it."""
    secured.send(texts(5))
    arguments = ["trainer", "archive", "--bootstrap-servers", secured.topics.servers]
    arguments += ["--topic", secured.topics.texts, "--output", str(tmp_path / "archive")]

    done = run_command(*arguments, env=secured.env())
    assert done.returncode == DENIED
    assert f"on topic {secured.topics.texts}" in only_error(done.stderr)

    secured.grant("input")
    done = run_command(*arguments, env=secured.env())
    assert done.returncode == 0, done.stderr
    assert b"5 records archived" in done.stdout


def test_labels_need_their_documented_rights(secured: Secured) -> None:
    """Each that is missing is named; a reader needs READ alone."""
    servers = {"kafka.bootstrap_servers": secured.topics.servers}
    kafka = load_settings(ConsumerSettings, flags=servers, environ=secured.env()).kafka
    for missing, granted in (
        ("DESCRIBE on topic", "WRITE labels"),  # which implies DESCRIBE
        ("CREATE on topic", "CREATE labels"),
        ("DESCRIBE_CONFIGS on topic", "DESCRIBE_CONFIGS labels"),
    ):
        with pytest.raises(KafkaRefused, match=f"{missing} {secured.labels}"):
            LabelWriter(kafka, secured.labels)
        secured.grant(granted)
    with LabelWriter(kafka, secured.labels) as writer:
        writer.write(label())
        with pytest.raises(KafkaRefused, match=f"READ on topic {secured.labels}"):
            read_labels(kafka, secured.labels)
        for taken in ("DESCRIBE_CONFIGS labels", "WRITE labels"):
            secured.revoke(taken)
        with pytest.raises(KafkaRefused, match=f"WRITE on topic {secured.labels}"):
            writer.undo(label().key)
    secured.grant("READ labels")
    assert read_labels(kafka, secured.labels) == {label().key: label()}


def read_labels(kafka: KafkaSettings, topic: str) -> dict[LabelKey, Label]:
    """The latest labels of a topic."""
    with LabelReader(kafka, topic) as reader:
        return latest(reader.changes())


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_wrong_password_is_told_within_seconds(*, command: str, secured: Secured, model: Path) -> None:
    """Given a wrong password, when the client connects, then the code is 77 and the line says credentials."""
    began = time.monotonic()
    done = run_command("consumer", command, *flags(secured, model), env=secured.env(sasl_password="wrong"))  # noqa: S106
    assert done.returncode == DENIED
    assert "refuses the credentials" in done.stdout.decode() + done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert time.monotonic() - began < 60


def test_a_wrong_authority_is_told(*, secured: Secured, model: Path, tmp_path: Path) -> None:
    """Given another authority's certificate, when `run` starts, then the code is 69 and the line says TLS."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    done = run_command("consumer", "run", *flags(secured, model), env=secured.env(ssl_ca_location=str(other)))
    assert done.returncode == UNREACHABLE
    line = only_error(done.stderr)
    assert "no TLS connection" in line
    assert "not issued by the authority in kafka.ssl_ca_location" in line


def test_a_certificate_of_another_host_is_refused(*, secured: Secured, model: Path) -> None:
    """Given a certificate for another host, when `run` starts, then it is refused and the line says so.

    Turning the check off is refused as well, so that nobody can bypass the first refusal.
    """
    misnamed = replace(secured, topics=replace(secured.topics, servers=secured.broker.misnamed))
    done = run_command("consumer", "run", *flags(misnamed, model), env=secured.env())
    assert done.returncode == UNREACHABLE
    assert "not to the host name in --bootstrap-servers" in only_error(done.stderr)

    off = json.dumps({"ssl.endpoint.identification.algorithm": "none"})
    done = run_command("consumer", "run", *flags(misnamed, model), env=secured.env(properties=off))
    assert done.returncode == WRONG_SETTING
    assert "ssl.endpoint.identification.algorithm" in only_error(done.stderr)


SECRET: Final = "planted-5up3r-s3cr3t"  # noqa: S105


@pytest.mark.parametrize("debug", [{}, {"debug": "all", "log_level": 7}], ids=["quiet", "librdkafka's own debug"])
@pytest.mark.parametrize("command", [("run",), ("check",), ("config", "show")], ids=" ".join)
def test_no_secret_is_shown(
    *, command: tuple[str, ...], debug: dict[str, str | int], secured: Secured, model: Path
) -> None:
    """Given planted secrets that the broker refuses, when a command fails or shows all, then none is shown."""
    properties = {"sasl.oauthbearer.client.secret": SECRET, **debug}
    env = secured.env(sasl_password=SECRET, ssl_key_password=SECRET, properties=json.dumps(properties))
    arguments = flags(secured, model)
    if command != ("config", "show"):
        arguments += ["--log-level", "debug"]
    done = run_command("consumer", *command, *arguments, env=env)
    assert done.returncode == (0 if command == ("config", "show") else DENIED)
    assert_absent(SECRET, done)


@pytest.mark.parametrize(
    "properties",
    [
        {"sasl.password": SECRET},
        {"ssl.key.pem": SECRET},
        {"ssl.key.pem": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----\n"},
        {"sasl.oauthbearer.client.secret": [SECRET]},
        {"ssl.keystore.password": SECRET, "ssl.keystore.location": "/nowhere"},
        {"sasl.no.such.key": SECRET},
    ],
    ids=["reserved", "no PEM", "no key", "wrong type", "no store", "unknown key"],
)
def test_no_secret_is_shown_by_a_refused_setting(
    *, properties: dict[str, object], secured: Secured, model: Path
) -> None:
    """Given a setting with an unusable secret, when `run` refuses it, then the secret is not quoted."""
    env = secured.env(properties=json.dumps(properties))
    done = run_command("consumer", "run", *flags(secured, model, "--log-level", "debug"), env=env)
    assert done.returncode == WRONG_SETTING
    assert_absent(SECRET, done)


def test_no_text_is_logged(*, secured: Secured, model: Path, consumers: Consumers) -> None:
    """Given texts with a mark, readable or not, when they arrive at level debug, then no log line has it."""
    mark = f"marker{uuid4().hex}"
    good = json.dumps({"id": mark, "text": f"{mark} is fine", "user": mark}).encode()
    bad = [
        mark.encode(),
        f'{{"text": "{mark}'.encode(),
        b"\xff" + mark.encode(),
        json.dumps({"text": [mark]}).encode(),
    ]
    bad += [json.dumps({mark: mark}).encode()]
    without_id = json.dumps({"id": {mark: mark}, "text": mark}).encode()
    secured.grant(*EXACTLY_ONCE)
    secured.send([good, without_id, *bad])
    properties = json.dumps({"debug": "all", "log_level": 7})
    arguments = flags(secured, model, "--delivery", "exactly-once", "--log-level", "debug")

    consumer = consumers.start(
        [*arguments, "--max-messages", str(2 + len(bad))], secured.env(properties=properties)
    )
    assert consumer.wait() == 0, consumer.log[-2000:]

    ids = secured.result_ids()
    assert ids.pop(mark) == 1
    assert len(ids) == 1  # the default id of the other
    login = secured.broker.login(ADMIN)
    assert len(read_all(secured.topics.servers, secured.topics.letters, login=login)) == len(bad)
    assert mark not in consumer.log
    assert secured.broker.passwords[USER] not in consumer.log


def assert_absent(secret: str, done: subprocess.CompletedProcess[bytes]) -> None:
    """Fails if an output of the process holds the secret, without showing it in that case."""
    for stream in (done.stdout, done.stderr):
        assert secret not in stream.decode(errors="replace"), "a secret was shown"
    assert done.stdout or done.stderr


def test_a_sample_for_a_plan_needs_read_on_the_topic_alone(secured: Secured) -> None:
    """Given READ on the input and no right on any group, when its newest texts are read, then they arrive."""
    secured.grant("input")
    secured.send(texts(10))
    flags = {"kafka.bootstrap_servers": secured.topics.servers, "input_topics": secured.topics.texts}
    settings = load_settings(ConsumerSettings, flags=flags, environ=secured.env())

    assert sorted(of_topics(settings, 5).texts) == [f"message {number} is fine" for number in range(5, 10)]

    secured.revoke("input")
    with pytest.raises(KafkaRefused, match=f"topic {secured.topics.texts}; ask the cluster's owner"):
        of_topics(settings, 5)
