"""`sentiment-consumer plan` from a sample to a settings file, with a tiny model."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from consumer.__main__ import main
from consumer.settings import load
from tests.support.tiny import tiny_model

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = ("what a lovely secret morning", "never again", "so tired of all this rain and work")


@pytest.fixture
def arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A command line for a tiny model, a small grid, and a settings file that only its owner may read."""
    for name in [name for name in os.environ if name.startswith("SENTIMENT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("shared.command_line.configure_logs", lambda *_: None)
    monkeypatch.setattr("consumer.__main__.end_process", sys.exit)
    monkeypatch.setattr("consumer.plan.choice.RECORDS", (4, 32))
    sample, base = tmp_path / "sample.txt", tmp_path / "base.yaml"
    sample.write_text("\n".join(TEXTS))
    base.write_text("kafka: {sasl_password: hunter2}\nlimits: {batch_records: 16, commit_timeout_s: 9}\n")
    base.chmod(0o600)
    files = ["--sample", str(sample), "--config", str(base), "--output", str(tmp_path / "plan.yaml")]
    model = tiny_model(tmp_path / "model")
    return ["plan", "--model", str(model), "--device", "cpu", "--seconds", "0.05", *files]


def run(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> int:
    """Runs the command line to its end; returns the exit code."""
    monkeypatch.setattr(sys, "argv", ["sentiment-consumer", *arguments])
    with pytest.raises(SystemExit) as raised:
        main()
    assert isinstance(raised.value.code, int)
    return raised.value.code


def test_a_plan_is_a_settings_file_for_run(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Given a sample and settings, when planned, then a measured setting is written in addition to the given ones.

    No text and no password is shown, the file is as private as the given one, and it is not overwritten.
    """
    monkeypatch.setenv("SENTIMENT_LIMITS__BATCH_TOKENS", "777")
    plan = tmp_path / "plan.yaml"

    assert run(monkeypatch, arguments) == 0
    said = capfd.readouterr()
    rows = [
        line.replace("recommended,", "recommended").split()
        for line in said.out.splitlines()
        if line[:7].strip().replace(",", "").isdigit()
    ]
    (best,) = [row for row in rows if "recommended" in row]
    assert {int(row[0]) for row in rows} == {4, 16, 32}
    assert [row[:2] for row in rows if "effect" in row] == [["16", "777"]]
    assert all(float(row[2].replace(",", "")) > 0 and float(row[5].replace(",", "")) > 0 for row in rows)
    assert "SENTIMENT_LIMITS__BATCH_TOKENS is set and goes above the file" in said.out

    monkeypatch.delenv("SENTIMENT_LIMITS__BATCH_TOKENS")
    settings = load({}, plan)
    assert [settings.limits.batch_records, settings.limits.batch_tokens] == [
        int(number.replace(",", "")) for number in best[:2]
    ]
    assert settings.limits.commit_timeout_s == 9
    assert settings.kafka.sasl_password is not None
    assert settings.kafka.sasl_password.get_secret_value() == "hunter2"
    assert plan.stat().st_mode & 0o777 == 0o600
    assert not any(word in said.out + said.err for word in ("hunter2", "secret", "lovely"))
    assert "secret" not in plan.read_text()

    before = plan.read_bytes()
    assert run(monkeypatch, arguments) == 78
    assert "plan.yaml exists and is not overwritten" in capfd.readouterr().err
    assert plan.read_bytes() == before


def test_a_target_out_of_reach_is_an_error_after_the_table(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Given a target below the wait for a publish, when planned, then the best is named and nothing written."""
    assert run(monkeypatch, [*arguments, "--target-p99", "50"]) == 78

    said = capfd.readouterr()
    assert "in effect now" in said.out
    assert "recommended" not in said.out
    assert "no setting keeps p99 within 50 ms: the least is" in said.err
    assert not (tmp_path / "plan.yaml").exists()
