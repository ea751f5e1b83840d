"""`config check`: what is wrong with a settings file by itself, and the exit code for a CI."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import Field

from consumer.commands.config import app
from consumer.preflight import settings_rules
from consumer.preflight.settings_rules import settings_problems
from consumer.settings import OTHER_COMMANDS, ConsumerSettings
from shared.errors import SettingsError
from shared.settings import Settings, examine_file

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE = "hunter2"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A settings file that only its owner reads."""
    path = tmp_path / "settings.yaml"
    path.touch(mode=0o600)
    return path


def problems(file: Path, yaml: str) -> list[tuple[str, str]]:
    """Mark and text of each line that the check has for these settings."""
    file.write_text(yaml)
    found = settings_problems(examine_file(ConsumerSettings, file, OTHER_COMMANDS), file)
    return [("FAIL" if problem.is_fatal else "warn", problem.text) for problem in found]


@pytest.mark.parametrize(
    "yaml",
    [
        "",
        "group_id: tweets\nlimits: {batch_records: 512}\n",
        "kafka: {security_protocol: sasl_ssl, sasl_mechanism: SCRAM-SHA-512, sasl_password: hunter2}",
        "kafka: {bootstrap_servers: 'kafka:9092', security_protocol: ssl}\ntrainer: {epochs: 3}",
        "delivery: at-least-once",
    ],
)
def test_a_sound_file_has_no_line(file: Path, yaml: str) -> None:
    """Given a file that is right, when checked, then nothing is said of it."""
    assert problems(file, yaml) == []


@pytest.mark.parametrize(
    ("yaml", "mark", "said"),
    [
        ("limits: {batch_record: 1}", "FAIL", "did you mean limits.batch_records?"),
        ("group: a", "FAIL", "unknown setting group in"),
        ("http: {host: 0.0.0.0}", "FAIL", "http.host is not a loopback address"),
        ("metrics: {host: '::', port: 9464}", "FAIL", "set metrics.token (SENTIMENT_METRICS__TOKEN) or listen on"),
        ("limits: {batch_records: 0}", "FAIL", "limits.batch_records: must be a whole number above 0"),
        ("delivery: maybe", "FAIL", "delivery: Input should be"),
        ("output_topic: texts", "FAIL", "input_topics and output_topic are both texts"),
        ("kafka: {bootstrap_servers: 'kafka:9092'}", "FAIL", "would cross the network to kafka unencrypted"),
        ("kafka: {properties: {transactional.id: a}}", "FAIL", "transactional.id cannot be set here"),
        (
            "kafka: {bootstrap_servers: 'kafka:9092', insecure: true}",
            "warn",
            "kafka.insecure: texts and credentials cross the network to kafka unencrypted",
        ),
        (
            "kafka: {insecure: true, properties: {enable.ssl.certificate.verification: false}}",
            "warn",
            "enable.ssl.certificate.verification lets anybody answer",
        ),
        ("kafka: {insecure: true}", "warn", "kafka.insecure allows nothing that this file needs"),
        ("kafka: {sasl_username: me}", "warn", "kafka.sasl_username: without effect, as clients do not log in"),
        ("kafka: {security_protocol: sasl_ssl}", "warn", "kafka.sasl_mechanism is not set"),
        (
            "kafka: {security_protocol: sasl_plaintext, sasl_mechanism: PLAIN}",
            "warn",
            "sasl_plaintext sends the login unencrypted",
        ),
        ("delivery: at-least-once\ninstance_id: a", "warn", "instance_id is without effect"),
        ("log_level: debug", "warn", "may hold a text"),
        ("limits: {dlq_share: 1}", "warn", "no share of dead letters ends a run"),
        ("include_text: true\nlimits: {max_output_bytes: 4096}", "warn", "makes it a dead letter"),
        ("until_idle_s: 5", "warn", "the run ends by itself"),
        ("max_messages: 5", "warn", "the run ends by itself"),
        ("drift: {enabled: false, window: 900}", "warn", "drift.window is without effect"),
        (
            "kafka: {security_protocol: sasl_ssl, sasl_mechanism: PLAIN, sasl_password: '***'}",
            "warn",
            "kafka.sasl_password is ***",
        ),
    ],
)
def test_what_is_wrong_has_a_line(file: Path, yaml: str, mark: str, said: str) -> None:
    """Given a file with one thing wrong, when checked, then one line names it and says what to do."""
    (found,) = problems(file, yaml)

    assert found[0] == mark
    assert said in found[1]


def test_all_that_is_wrong_is_said_at_once(file: Path) -> None:
    """Given several wrong names and values, when checked, then each has a line, and no secret is quoted."""
    yaml = f"grup_id: a\nkafka: {{sasl_pasword: {PRIVATE}, sasl_password: {PRIVATE}}}\ncache: -1\nmodel_: x\n"

    found = problems(file, yaml)

    assert [mark for mark, _ in found] == ["FAIL"] * 4
    for name in ("group_id", "kafka.sasl_password", "cache", "model"):
        assert any(name in text for _, text in found)
    assert PRIVATE not in str(found)


@pytest.mark.parametrize(
    ("yaml", "secret"),
    [
        (
            "kafka: {security_protocol: sasl_ssl, sasl_mechanism: PLAIN, sasl_password: hunter2}",
            "kafka.sasl_password",
        ),
        ("kafka: {properties: {sasl.oauthbearer.client.secret: hunter2}}", "[sasl.oauthbearer.client.secret]"),
    ],
)
def test_a_secret_that_others_can_read_is_named(file: Path, yaml: str, secret: str) -> None:
    """Given a secret in a file, when others may read the file, then it is named and not quoted."""
    assert problems(file, yaml) == []
    file.chmod(0o644)

    ((mark, text),) = problems(file, yaml)

    assert mark == "warn"
    assert f"others can read {'kafka.properties' if '[' in secret else ''}{secret}" in text
    assert "(mode 644): chmod go-r" in text
    assert PRIVATE not in text


def test_a_file_that_others_can_change_is_named(file: Path) -> None:
    """Given a file without a secret, when others may write to it, then it is named."""
    file.chmod(0o666)

    ((mark, text),) = problems(file, "group_id: a")

    assert (mark, "others can change" in text) == ("warn", True)


class Renamed(Settings):
    """Settings with a name that is on its way out."""

    old: int = Field(default=1, deprecated="set new instead")


def test_a_deprecated_name_is_said(file: Path) -> None:
    """Given a setting that is deprecated, when it is in the file, then the line says what to set instead."""
    file.write_text("old: 2")
    found = examine_file(Renamed, file)

    lines = [problem.text for problem in vars(settings_rules)["_deprecated"](Renamed, found.given)]

    assert lines == ["old is deprecated: set new instead"]


@pytest.mark.parametrize(
    ("yaml", "options", "refused"),
    [
        ("group_id: a", [], None),
        ("until_idle_s: 5", [], None),
        ("group_id: a", ["--strict"], None),
        ("until_idle_s: 5", ["--strict"], "0 to correct, 1 warnings"),
        ("nobody: 1\ndelivery: x", [], "2 to correct, 0 warnings"),
    ],
)
def test_the_exit_code_is_for_a_ci(
    file: Path, capsys: pytest.CaptureFixture[str], yaml: str, options: list[str], refused: str | None
) -> None:
    """Given a file, when checked, then 78 is for what run refuses, and with --strict for warnings too."""
    file.write_text(yaml)
    arguments = ["check", str(file), *options]
    if refused is None:
        app(arguments, standalone_mode=False)
        assert f"ok   {file}: run takes it" in capsys.readouterr().out
        return
    with pytest.raises(SettingsError, match=refused) as raised:
        app(arguments, standalone_mode=False)
    assert raised.value.exit_code == 78


def test_settings_of_other_commands_are_said_to_be_left_out(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given a file that two commands share, when checked strictly, then it passes and says what was left out."""
    file.write_text(f"group_id: a\ntrainer: {{epochs: 3, password:{PRIVATE}: 1}}\n")

    app(["check", str(file), "--strict"], standalone_mode=False)

    said = capsys.readouterr().out
    assert "not examined, as they are settings of other commands: trainer.epochs, one with no plain name" in said
    assert PRIVATE not in said


@pytest.mark.parametrize(
    ("yaml", "said"),
    [
        ("group_id: a\ngroup_id: b\n", "has a name for the second time at line 2"),
        ("limits: {dlq_share: 1, dlq_share: 0.5}", "has a name for the second time at line 1"),
        ("limits.cache: 1\nkafka.insecure: true\nkafka: {insecure: false}", "the setting kafka.insecure twice"),
        ("[]", "must hold names and values"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_file_that_cannot_be_read_one_way_is_refused(file: Path, yaml: str, said: str) -> None:
    """Given a name twice, or no names at all, when checked, then it is refused: one of the two had no effect."""
    file.write_text(yaml)

    with pytest.raises(SettingsError, match=said):
        app(["check", str(file)], standalone_mode=False)


def test_a_mapping_may_replace_what_it_merges(file: Path) -> None:
    """Given a YAML alias that is merged in, when a name of it is set anew, then that is no second time."""
    assert problems(file, "kafka: {<<: {insecure: false}, insecure: false}\n") == []
