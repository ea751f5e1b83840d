"""Settings: four sources, one order, no unknown name ignored, no secret shown."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, SecretStr, ValidationError

from consumer.settings import OTHER_COMMANDS, ConsumerSettings, Limits, load
from shared.errors import SettingsError
from shared.kafka.transactions import TRANSACTION_TIMEOUT_MS
from shared.settings import MASK, Settings, effective, load_settings, sources, variable
from trainer.settings import TrainerEnvironment

PRIVATE = "hunter2"


class Inner(Settings):
    """A nested group."""

    size: int = Field(default=1, gt=0)
    password: SecretStr | None = None
    properties: dict[str, SecretStr | str | int] = Field(default_factory=dict)


class Outer(Settings):
    """Settings with one of every kind."""

    name: str = "default"
    names: list[str] = Field(default_factory=list)
    folder: Path | None = None
    inner: Inner = Inner()


class Demanding(Settings):
    """Settings of which one has no default."""

    needed: str


@pytest.fixture
def write(tmp_path: Path) -> Path:
    """The path of a settings file that a test may write."""
    return tmp_path / "settings.yaml"


@pytest.mark.parametrize(
    ("flag", "env", "yaml", "expected"),
    [
        ("flag", "env", "file", "flag"),
        (None, "env", "file", "env"),
        (None, None, "file", "file"),
        (None, None, None, "default"),
        ("flag", None, "file", "flag"),
    ],
)
def test_the_command_line_wins_over_environment_file_and_default(
    write: Path, flag: str | None, env: str | None, yaml: str | None, expected: str
) -> None:
    """Given a value in some of the sources, when loaded, then the strongest source wins."""
    write.write_text(f"name: {yaml}" if yaml else "")

    found = load_settings(
        Outer, flags={"name": flag}, environ={"SENTIMENT_NAME": env} if env else {}, file=write if yaml else None
    )

    assert found.name == expected


def test_sources_merge_within_a_group(write: Path) -> None:
    """Given a nested group set from all sources, when loaded, then each of its settings has its own source."""
    write.write_text("inner: {size: 2, properties: {a.b: 1}}\nnames: [x, y]\n")

    found = load_settings(
        Outer, flags={"inner.size": 3}, environ={"SENTIMENT_INNER__PASSWORD": PRIVATE, "OTHER": "1"}, file=write
    )

    assert (found.inner.size, found.inner.properties, found.names) == (3, {"a.b": 1}, ["x", "y"])
    assert found.inner.password is not None
    assert found.inner.password.get_secret_value() == PRIVATE


def test_a_mapping_comes_from_the_environment_as_json() -> None:
    """Given a mapping in the environment, when loaded, then its keys may contain dots."""
    found = load_settings(Outer, flags={}, environ={"SENTIMENT_INNER__PROPERTIES": '{"linger.ms": 5}'})

    assert found.inner.properties == {"linger.ms": 5}


def test_the_environment_names_the_file(write: Path) -> None:
    """Given SENTIMENT_CONFIG, when loaded, then that file is read, and --config overrides it."""
    write.write_text("name: file")
    other = write.with_name("other.yaml")
    other.write_text("name: other")
    environ = {"SENTIMENT_CONFIG": str(write)}

    assert load_settings(Outer, flags={}, environ=environ).name == "file"
    assert load_settings(Outer, flags={}, environ=environ, file=other).name == "other"


@pytest.mark.parametrize(
    ("environ", "yaml", "hint"),
    [
        ({"SENTIMENT_NAM": "x"}, "", "SENTIMENT_NAM in the environment; did you mean SENTIMENT_NAME?"),
        ({"SENTIMENT_INNER__SIZ": "1"}, "", "did you mean SENTIMENT_INNER__SIZE?"),
        ({"SENTIMENT_INNER_SIZE": "1"}, "", "did you mean SENTIMENT_INNER__SIZE?"),
        ({"SENTIMENT_QQQ": "1"}, "", "unknown setting SENTIMENT_QQQ in the environment"),
        ({}, "nme: x", "did you mean name?"),
        ({}, "inner: {sise: 2}", "unknown setting inner.sise in"),
        ({}, "inner: {sise: 2}", "did you mean inner.size?"),
        ({}, "trainer: {x: 1}", "unknown setting trainer.x"),
    ],
)
def test_a_name_that_nobody_reads_is_refused(write: Path, environ: dict[str, str], yaml: str, hint: str) -> None:
    """Given a misspelt name at any depth, when loaded, then the error names the nearest valid one."""
    write.write_text(yaml)

    with pytest.raises(SettingsError, match=re.escape(hint)):
        load_settings(Outer, flags={}, environ=environ, file=write)


def test_settings_of_sister_commands_are_passed_over(write: Path) -> None:
    """Given names of another command, when loaded, then they are ignored, unless they resemble ours."""
    write.write_text("trainer: {epochs: 3}")
    environ = {"SENTIMENT_TRAINER__EPOCHS": "3"}

    assert load_settings(Outer, flags={}, environ=environ, file=write, others=("trainer.",)) == Outer()
    with pytest.raises(SettingsError, match="did you mean SENTIMENT_INNER__SIZE"):
        load_settings(Outer, flags={}, environ={"SENTIMENT_INNERR__SIZE": "3"}, others=("innerr.",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"name: [unclosed", "is not valid YAML at line 1"),
        (b"a: 1\nb: c: d", "is not valid YAML at line 2"),
        (b"\xff\xfe\xff", "is not valid YAML"),
        (b"- a list", "must hold names and values"),
        (b"just text", "must hold names and values"),
    ],
)
def test_a_file_that_holds_no_settings_is_refused(write: Path, content: bytes, message: str) -> None:
    """Given a file that is not a mapping, when loaded, then the error names the file, and the line if possible."""
    write.write_bytes(content)

    with pytest.raises(SettingsError, match=f"{re.escape(str(write))}.*{message}"):
        load_settings(Outer, flags={}, environ={}, file=write)


def test_a_missing_file_is_refused(write: Path) -> None:
    """Given a path without a file, when loaded, then the error says so."""
    with pytest.raises(SettingsError, match=r"cannot read the settings file .*No such file"):
        load_settings(Outer, flags={}, environ={}, file=write)


def test_faults_name_every_way_to_mend_them() -> None:
    """Given two faults, when loaded, then one message names both, with flag, variable and file key."""
    with pytest.raises(SettingsError) as raised:
        load_settings(Outer, flags={"inner.size": 0, "name": None}, environ={"SENTIMENT_NAMES": "1"})

    first, second = str(raised.value).split("; ")
    assert "names: Input should be a valid list (set SENTIMENT_NAMES or names in a settings file)" in first
    assert "inner.size: Input should be greater than 0 (set --size, SENTIMENT_INNER__SIZE or inner.size" in second


def test_a_needed_setting_is_asked_for() -> None:
    """Given no value for a setting without default, when loaded, then the error says that it is required."""
    with pytest.raises(SettingsError, match="needed: is needed"):
        load_settings(Demanding, flags={}, environ={})


@pytest.mark.parametrize(
    "environ",
    [
        {"SENTIMENT_INNER__PASSWORD": PRIVATE, "SENTIMENT_INNER__SIZE": "0"},
        {"SENTIMENT_INNER__PROPERTIES": f'{{"sasl.password": ["{PRIVATE}"]}}'},
        {"SENTIMENT_INNER__PROPERTIES": f"{{'a: {PRIVATE}"},
        {"SENTIMENT_INNER__PROPERTIES": PRIVATE},
        {"SENTIMENT_INNER__PASWORD": PRIVATE},
    ],
)
def test_no_error_shows_a_secret(environ: dict[str, str]) -> None:
    """Given a secret next to or within a fault, when loaded, then the error does not quote it."""
    with pytest.raises(SettingsError) as raised:
        load_settings(Outer, flags={}, environ=environ)

    assert PRIVATE not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_effective_settings_are_flat_and_masked() -> None:
    """Given settings with secrets, when shown, then by dotted name, and secrets and free values are masked."""
    settings = Outer(
        folder=Path("/models/a"),
        inner=Inner(password=SecretStr(PRIVATE), properties={"secret": SecretStr(PRIVATE), "linger.ms": 5}),
    )

    shown = effective(settings)

    assert shown == {
        "name": "default",
        "names": [],
        "folder": "/models/a",
        "inner.size": 1,
        "inner.password": MASK,
        "inner.properties": {"secret": MASK, "linger.ms": 5},
    }
    assert PRIVATE not in json.dumps(shown)


def test_the_source_of_a_value_is_the_one_that_won(write: Path) -> None:
    """Given values in several sources, when shown, then each setting names its strongest, and defaults none."""
    write.write_text("name: file\ninner: {size: 2, properties: {a.b: 1}}")

    found = sources(Outer, flags={"inner.size": 3, "names": None}, environ={"SENTIMENT_NAME": "env"}, file=write)

    assert found == {"name": "SENTIMENT_NAME", "inner.size": "--size", "inner.properties": str(write)}


def test_settings_cannot_be_changed() -> None:
    """Given loaded settings, when one is assigned to, then that is refused."""
    with pytest.raises(ValidationError):
        Outer().name = "other"  # type: ignore[misc]


def test_variables_follow_from_names() -> None:
    """Given a dotted name, when written as a variable, then groups are separated by two underscores."""
    assert variable("kafka.sasl_username") == "SENTIMENT_KAFKA__SASL_USERNAME"


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without settings of ours, which `load` reads."""
    import os  # noqa: PLC0415

    for name in [name for name in os.environ if name.startswith("SENTIMENT_")]:
        monkeypatch.delenv(name)
    return monkeypatch


def test_the_consumer_reads_lists_and_skips_its_sisters(clean_environment: pytest.MonkeyPatch) -> None:
    """Given topics separated by commas and settings of the trainer, when loaded, then both are understood."""
    clean_environment.setenv("SENTIMENT_INPUT_TOPICS", "one, two,three")
    clean_environment.setenv(f"SENTIMENT_{OTHER_COMMANDS[0].upper().replace('.', '__')}SEED", "1")

    assert load({"input_topics": None}).input_topics == ("one", "two", "three")
    assert load({"input_topics": ["^texts-.*"]}).input_topics == ("^texts-.*",)
    assert load({"input_topics": ["a,b", "^c$"]}).input_topics == ("a", "b", "^c$")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"input_topics": ["bad topic!"]}, "'bad topic!' is not a valid topic name"),
        ({"input_topics": ["."]}, "'.' is not a valid topic name"),
        ({"input_topics": ["a" * 250]}, "is not a valid topic name"),
        ({"output_topic": "a b"}, "output_topic: 'a b' is not a valid topic name"),
        ({"dlq_topic": ".."}, "dlq_topic: '..' is not a valid topic name"),
        ({"input_topics": ["^texts"]}, "end it with .* or $"),
        ({"input_topics": ["^a$", "b", "^["]}, "input_topics: '^[': not accepted from character 2 on"),
        ({"input_topics": []}, "at least 1 item"),
        ({"device": "tpu"}, "device: String should match pattern"),
        ({"delivery": "maybe"}, "delivery: Input should be 'exactly-once' or 'at-least-once'"),
        ({"limits.batch_records": 0}, "limits.batch_records: must be a whole number above 0 and at most 100000"),
        ({"instance_id": "a b"}, "instance_id: String should match pattern"),
        ({"instance_id": "a:b"}, "instance_id: String should match pattern"),
        ({"group_id": "g" * 250}, "group_id: String should match pattern"),
        ({"group_id": "a\nb"}, "group_id: String should match pattern"),
        ({"output_topic": "texts"}, "input_topics and output_topic are both texts"),
        ({"input_topics": ["a", "b"], "dlq_topic": "b"}, "input_topics and dlq_topic are both b"),
        ({"output_topic": "a", "dlq_topic": "a"}, "output_topic and dlq_topic are both a"),
        ({"limits.commit_timeout_s": 50}, "limits.stall_timeout_s must be at least 250"),
        ({"limits.stall_timeout_s": 101}, "limits.stall_timeout_s must be at least 160"),
        ({"uncertain_below": 1.1}, "uncertain_below: must be a number of at least 0 and at most 1"),
    ],
)
@pytest.mark.usefixtures("clean_environment")
def test_the_consumer_refuses_values_out_of_range(flags: dict[str, object], message: str) -> None:
    """Given an invalid value, when loaded, then the error names the setting and the reason."""
    with pytest.raises(SettingsError, match=re.escape(message)):
        load(flags)


def test_a_consumer_without_a_model_says_how_to_name_one() -> None:
    """Given no model, when its folder is requested, then the error names flag and variable."""
    with pytest.raises(SettingsError, match="--model or set SENTIMENT_MODEL"):
        _ = ConsumerSettings().model_folder

    assert ConsumerSettings(model=Path("here")).model_folder == Path("here")


@pytest.mark.parametrize(
    ("instance_id", "host", "expected"),
    [
        ("", "laptop", "sentiment:g:laptop"),
        ("", "scorer-12", "sentiment:g:scorer-12"),
        ("", "ip-10-0-1-25", "sentiment:g:ip-10-0-1-25"),
        ("blue", "scorer-12", "sentiment:g:blue"),
    ],
)
def test_transactional_ids_follow_from_instance_ids_or_whole_hostnames(
    monkeypatch: pytest.MonkeyPatch, instance_id: str, host: str, expected: str
) -> None:
    """Given an instance_id or a hostname, then the transactional id ends with it, whole."""
    monkeypatch.setattr("socket.gethostname", lambda: host)

    assert ConsumerSettings(group_id="g", instance_id=instance_id).transactional_id == expected


GROUP = st.text(st.sampled_from("ab-.:%/3A é"), min_size=1, max_size=6)
INSTANCE = st.text(st.sampled_from("ab-._3A"), min_size=1, max_size=6)


@given(one=st.tuples(GROUP, INSTANCE), other=st.tuples(GROUP, INSTANCE))
def test_no_two_processes_share_a_transactional_id(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Given any groups and instances, then equal ids mean equal pairs, and a prefix covers one group."""
    first, second = (ConsumerSettings(group_id=group, instance_id=name) for group, name in (one, other))

    assert (first.transactional_id == second.transactional_id) is (one == other)
    assert second.transactional_id.startswith(first.transactional_id_prefix) is (one[0] == other[0])
    assert first.transactional_id_prefix.isascii()


def test_no_transaction_times_out_while_its_publish_may_go_on() -> None:
    """Given the longest deadline for a publish, then Kafka's transaction timeout is longer."""
    assert Limits(commit_timeout_s=50, stall_timeout_s=250).commit_timeout_s * 1000 < TRANSACTION_TIMEOUT_MS
    with pytest.raises(ValidationError):
        Limits(commit_timeout_s=50.1)


def test_the_input_format_follows_from_the_settings() -> None:
    """Given fields and a limit, when the format is built, then it has them."""
    form = ConsumerSettings(
        format="text", text_field="a.b", id_field="c", limits=Limits(max_record_bytes=9)
    ).input_format

    assert (form.kind, str(form.text), str(form.id), form.max_bytes) == ("text", "a.b", "c", 9)


@pytest.mark.parametrize("name", ["text_field", "id_field", "trainer.text_field", "trainer.id_field"])
def test_a_path_with_a_fault_is_refused_with_its_position(name: str) -> None:
    """Given a field that is no path, when settings load, then the error names the setting and the character."""
    model = TrainerEnvironment if name.startswith("trainer.") else ConsumerSettings

    with pytest.raises(SettingsError, match=rf"^{name}: 'a, \.b': expected the name of a field at character 4"):
        load_settings(model, flags={name: "a, .b"})
    with pytest.raises(SettingsError, match=rf"^{name}: String should have at most 1000 characters"):
        load_settings(model, flags={name: "a" * 1_001})
