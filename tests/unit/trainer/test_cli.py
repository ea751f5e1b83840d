"""The command line: exit codes, one line per error, and the sources of settings."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from shared.errors import SettingsError
from shared.settings import load_settings
from trainer.data.labels.label_map import parse_label_map
from trainer.data.labels.rules import LabelRules, label_rules
from trainer.settings import OTHER_COMMANDS, TrainerEnvironment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def command(*words: object, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs the trainer as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "trainer", *map(str, words)],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (
            ("fetch", "no-such-set", "--output", "x.parquet"),
            65,
            "unknown data set 'no-such-set'; known are imdb, ",
        ),
        (
            ("evaluate", "--model", "nowhere", "--data", "x.csv"),
            66,
            "nowhere is not a folder; give a model folder",
        ),
        (
            ("train", "--data", "x.csv", "--output", "m", "--epochs", "0"),
            78,
            "epochs: must be a whole number above 0 and at most 1000",
        ),
        (
            ("archive", "--topic", "t", "--output", "a", "--bootstrap-servers", "kafka:9092"),
            78,
            "to kafka unencrypted; set kafka.security_protocol to ssl or sasl_ssl",
        ),
        (("train", "--data", "nowhere.csv", "--output", "m"), 65, "cannot read nowhere.csv: No such file"),
    ],
)
def test_an_error_is_one_line_and_a_code_of_its_own(
    tmp_path: Path, words: tuple[str, ...], code: int, says: str
) -> None:
    """Only the line: no traceback, no warning."""
    done = command(*words, XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_usage_error_ends_with_2() -> None:
    """A missing option is a usage error of the command line."""
    assert command("train").returncode == 2


def settings(flags: dict[str, object], file: Path | None, environ: dict[str, str]) -> TrainerEnvironment:
    """Loads the settings as a command does."""
    return load_settings(TrainerEnvironment, flags=flags, file=file, environ=environ, others=OTHER_COMMANDS)


def test_flags_beat_environment_beats_file_beats_default(tmp_path: Path) -> None:
    """Each source overrides the next."""
    file = tmp_path / "settings.yaml"
    file.write_text("trainer: {epochs: 7, batch_size: 8, seed: 3}\n", encoding="utf-8")
    environ = {"SENTIMENT_TRAINER__EPOCHS": "5", "SENTIMENT_TRAINER__SEED": "4"}
    found = settings({"trainer.seed": 9, "trainer.patience": None}, file, environ).trainer
    assert (found.seed, found.epochs, found.batch_size, found.patience) == (9, 5, 8, 4)


def test_settings_of_the_consumer_pass_and_misspelt_own_ones_do_not() -> None:
    """Both may be set in one environment; a near miss of ours is an error that names the right spelling."""
    settings({}, None, {"SENTIMENT_BATCHING__MAX_WAIT_MS": "5", "SENTIMENT_INPUT_TOPIC": "texts"})
    with pytest.raises(SettingsError, match="did you mean SENTIMENT_TRAINER__LEARNING_RATE"):
        settings({}, None, {"SENTIMENT_TRAINER__LEARNING_RAET": "1"})


def test_labels_to_leave_out_are_listed_at_commas_or_one_by_one() -> None:
    """In an option, a variable and a settings file alike; a label map is checked before anything is read."""
    for given in ("-1,unsure", ["-1", "unsure"], ["-1 , unsure"]):
        loaded = load_settings(TrainerEnvironment, flags={"trainer.ignore_label": given}, environ={})
        assert loaded.trainer.ignore_label == ("-1", "unsure")
    environ = {"SENTIMENT_TRAINER__LABEL_MAP": "0=negative,4=positive", "SENTIMENT_TRAINER__IGNORE_LABEL": "2"}
    loaded = load_settings(TrainerEnvironment, flags={}, environ=environ)
    assert label_rules(loaded.trainer) == LabelRules(
        parse_label_map("0=negative,4=positive"), frozenset({"2"}), "leave-out"
    )
    with pytest.raises(
        SettingsError, match=r"trainer.label_map: expected LABEL=NAME, .* at character 1; .* --label-map"
    ):
        load_settings(TrainerEnvironment, flags={"trainer.label_map": "negative"}, environ={})
