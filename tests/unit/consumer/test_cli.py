"""The command line for an operator or a script: exit codes, one-line errors, JSON Lines."""

from __future__ import annotations

import io
import json
import math
import os
import re
import subprocess
import sys
import tracemalloc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from consumer.__main__ import main
from consumer.offline.score import NAMED, WINDOW_LINES
from consumer.preflight.checks import SENTENCE
from shared import __version__
from shared.inference.engines.select import load_scorer
from shared.inference.types import BLANK
from shared.messages import Result
from shared.model_folder.artifact import open_artifact, seal
from shared.model_folder.manifest import LongTexts
from tests.support.fakes import UNSCORABLE, FakeScorer
from tests.support.processes import run_command
from tests.support.tiny import LABELS, tiny_model
from tests.unit.consumer.http.conftest import HttpSide

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shared.inference.types import Scorer

NOBODY = "127.0.0.1:1"
"""An address where no broker listens."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a command."""

    code: int
    out: str
    err: str

    def results(self) -> list[Result]:
        """Its output as results, one per line."""
        return [Result.model_validate_json(line, strict=True) for line in self.out.splitlines()]


class Command(Protocol):
    """The type of the fixture `command`."""

    def __call__(self, *arguments: str, stdin: bytes = b"", terminal: bool = False) -> Ended:
        """Runs one command line to its end."""
        ...


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """Runs `sentiment-consumer` within this process, which spares the import of torch.

    Logging and signal handling are left out: they would outlive the test.
    """
    for name in [name for name in os.environ if name.startswith("SENTIMENT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr("shared.command_line.configure_logs", lambda *_: None)
    monkeypatch.setattr("consumer.signals.stop_on_signals", lambda _stop: None)
    monkeypatch.setattr("consumer.__main__.end_process", sys.exit)
    monkeypatch.setattr("shared.kafka.admin.CONNECT_TIMEOUT_S", 0.3)

    def run(*arguments: str, stdin: bytes = b"", terminal: bool = False) -> Ended:
        monkeypatch.setattr(sys, "argv", ["sentiment-consumer", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
        with pytest.raises(SystemExit) as raised:
            main()
        captured = capfd.readouterr()
        code = raised.value.code
        assert isinstance(code, int)
        return Ended(code, captured.out, captured.err)

    with capture_logs():
        yield run


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder."""
    return tiny_model(tmp_path_factory.mktemp("tiny") / "model")


@pytest.fixture(scope="module")
def scorer(model: Path) -> Scorer:
    """Its model, loaded once."""
    return load_scorer(open_artifact(model), "cpu", "fp32")


def test_the_version_is_told(command: Command) -> None:
    """Given --version, when run, then it is printed and nothing else happens."""
    assert command("--version") == Ended(0, f"{__version__}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["check"],
        ["score"],
        ["plan"],
        ["topics", "create"],
        ["dlq", "list"],
        ["config", "show"],
        ["config", "check"],
    ],
)
def test_an_unknown_option_is_a_usage_error(command: Command, arguments: list[str]) -> None:
    """Given an option that no command has, when run, then the exit code is 2."""
    ended = command(*arguments, "--no-such-option")

    assert ended.code == 2
    assert "--no-such-option" in ended.err


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["dlq", "list", "--since", "1 hour"], "--since"),
        (["dlq", "list", "--since", "2026-11-24T08:00:00"], "--since"),
        (["dlq", "list", "--topic", "no topic"], "--topic"),
        (["dlq", "list", "--limit", "-1"], "--limit"),
        (["dlq", "show", "0-7"], "PARTITION:OFFSET"),
        (["dlq", "replay", "--rate", "0"], "--rate"),
        (["dlq", "replay", "--to", "sentiments.dlq"], "--to"),
    ],
)
def test_a_filter_that_cannot_be_is_a_usage_error(command: Command, arguments: list[str], option: str) -> None:
    """Given a time without zone, an impossible place or name, when run, then the code is 2 and it is named."""
    ended = command(*arguments)

    assert ended.code == 2
    assert option in ended.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["score", "a"], 78, "give --model or set SENTIMENT_MODEL"),
        (["score", "a", "--model", "/nowhere"], 66, "/nowhere is not a folder; give a model folder"),
        (["run"], 78, "give --model or set SENTIMENT_MODEL"),
        (["plan"], 78, "give --model or set SENTIMENT_MODEL"),
        (["run", "--delivery", "maybe"], 78, "delivery: Input should be 'exactly-once' or 'at-least-once'"),
        (["run", "--config", "/nowhere.yaml"], 78, "cannot read the settings file /nowhere.yaml"),
        (["run", "--bootstrap-servers", "kafka:9092"], 78, "to kafka unencrypted; set kafka.security_protocol"),
        (["check", "--bootstrap-servers", "kafka:9092"], 78, "(set --insecure, SENTIMENT_KAFKA__INSECURE or"),
        (["topics", "create", "--bootstrap-servers", "kafka:9092"], 78, "(set --insecure, "),
        (["config", "show", "--bootstrap-servers", "kafka:9092"], 78, "(set --insecure, "),
        (["dlq", "list", "--bootstrap-servers", "kafka:9092"], 78, "(set --insecure, "),
        (["topics", "create", "--bootstrap-servers", NOBODY], 69, f"Kafka at {NOBODY} does not answer"),
        (["dlq", "list", "--bootstrap-servers", NOBODY], 69, f"Kafka at {NOBODY} does not answer"),
        (["dlq", "show", "0:0", "--bootstrap-servers", NOBODY], 69, f"Kafka at {NOBODY} does not answer"),
        (["dlq", "replay", "--bootstrap-servers", NOBODY], 69, f"Kafka at {NOBODY} does not answer"),
    ],
)
def test_what_cannot_be_done_ends_with_one_line(
    command: Command, arguments: list[str], code: int, said: str
) -> None:
    """Given a wrong setting, folder or address, when run, then one line says what to do, and the code fits."""
    ended = command(*arguments)

    assert ended.code == code
    (line,) = [line for line in ended.err.splitlines() if line.startswith("error: ")]
    assert said in line
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--bootstrap-servers", ""),
        ("--device", "tpu"),
        ("--format", "xml"),
        ("--input-topic", "bad topic!"),
        ("--log-level", "loud"),
        ("--max-messages", "0"),
        ("--instance-id", "a b"),
        ("--text-field", ""),
        ("--text-field", "a..b"),
        ("--id-field", "`a"),
        ("--until-idle-s", "-1"),
    ],
)
def test_an_error_names_a_flag_that_exists(command: Command, flag: str, value: str) -> None:
    """Given a flag with a wrong value, when run, then the flag that the error names exists."""
    ended = command("run", flag, value)
    named = re.search(r"\(set (--[a-z-]+), SENTIMENT_", ended.err)

    assert ended.code == 78
    assert named is not None
    assert command("run", named[1], value).code == 78  # an unknown one would be a usage error


def test_a_misspelt_variable_is_refused(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given SENTIMENT_GROUPID, when run, then the error names SENTIMENT_GROUP_ID."""
    monkeypatch.setenv("SENTIMENT_GROUPID", "mine")

    ended = command("run")

    assert ended.code == 78
    assert "did you mean SENTIMENT_GROUP_ID?" in ended.err


def test_run_refuses_to_load_a_model_for_a_broker_that_does_not_answer(command: Command, model: Path) -> None:
    """Given no broker, when run, then the error comes at once, with the address and the code 69."""
    ended = command("run", "--model", str(model), "--bootstrap-servers", NOBODY)

    assert ended.code == 69
    assert f"Kafka at {NOBODY} does not answer" in ended.err


CLEANED_UP: Final = """
import atexit, os
from consumer.__main__ import main
atexit.register(os._exit, 9)
main()
"""


@pytest.mark.slow
def test_a_command_ends_without_clean_up() -> None:
    """Given a scorer that may still be inside a pass, when a command ends, then nothing is torn down."""
    done = subprocess.run(
        [sys.executable, "-c", CLEANED_UP, "--version"], capture_output=True, text=True, check=False, timeout=60
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")


def test_scores_of_arguments_are_json_lines_in_a_pipe(command: Command, model: Path) -> None:
    """Given texts as arguments, when scored into a pipe, then each line is a Result with its text, in order."""
    ended = command("score", "--model", str(model), "I love it", "so   bad", "I love it")

    first, second, third = ended.results()
    assert ended.code == 0
    assert [one.text for one in (first, second, third)] == ["I love it", "so   bad", "I love it"]
    assert first.probabilities.keys() == set(LABELS)
    assert first.label == max(first.probabilities, key=first.probabilities.__getitem__)
    assert first.probabilities == third.probabilities != second.probabilities
    assert (first.model.name, first.source) == ("tiny", None)


def test_a_text_that_the_model_does_not_know_is_scored_and_said_to_be(
    command: Command, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a text in a script that the model lacks, when scored, then the result and the table say so."""
    monkeypatch.setenv("COLUMNS", "200")
    texts = ("\u4eca\u5929", "I love it")

    unknown, known = command("score", "--model", str(model), *texts).results()
    table = command("score", "--model", str(model), *texts, terminal=True).out

    assert (unknown.unknown_share, unknown.uncertain, known.unknown_share) == (1.0, True, None)
    assert table.count("(100% unknown)") == 1


def test_scores_of_standard_input_are_one_a_line(command: Command, model: Path) -> None:
    """Given lines with any line ends, when scored, then there is one result for each, named by its line."""
    ended = command("score", "--model", str(model), stdin="one\r\ncaf\u00e9\nlast".encode())

    assert [(one.id, one.text) for one in ended.results()] == [
        ("line-1", "one"),
        ("line-2", "caf\u00e9"),
        ("line-3", "last"),
    ]


def test_more_lines_than_a_window_keep_their_order(command: Command, model: Path) -> None:
    """Given more lines than are scored at once, when scored, then the results are in the lines' order."""
    texts = [f"text {number}" for number in range(WINDOW_LINES + 100)]

    ended = command("score", "--model", str(model), stdin="\n".join(texts).encode())

    assert [one.text for one in ended.results()] == texts


def test_json_lines_in_are_json_lines_out(command: Command, model: Path) -> None:
    """Given JSON Lines with fields in other places, when scored, then ids are kept."""
    lines = [json.dumps({"data": {"t": f"text {number}"}, "key": number}) for number in range(3)]

    ended = command(
        "score",
        "--json",
        "--model",
        str(model),
        "--text-field",
        "data.t",
        "--id-field",
        "key",
        stdin="\n".join(lines).encode(),
    )

    assert [(one.id, one.text) for one in ended.results()] == [(str(n), f"text {n}") for n in range(3)]


BAD_LINES = {
    b"": "it is blank; there is no text to score",
    b" \t": "it is blank; there is no text to score",
    b"private\xff": "the value is not UTF-8: invalid start byte at byte 7",
    b"&nbsp;": BLANK.reason,
    "\u200b\u200b".encode(): BLANK.reason,
}


@pytest.mark.slow
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.sampled_from([b"fine", b"so good", *BAD_LINES]), min_size=1, max_size=9),
    as_json=st.booleans(),
    window=st.integers(1, 4),
)
def test_a_bad_line_costs_no_other_its_result(
    command: Command,
    model: Path,
    scorer: Scorer,
    monkeypatch: pytest.MonkeyPatch,
    *,
    lines: list[bytes],
    as_json: bool,
    window: int,
) -> None:
    """Given good and bad lines, when scored, with --json or not, then all good ones have results, in their order.

    Each bad one is named, and the code is 65 for any. With --on-error fail only those before the first bad one do.
    """
    monkeypatch.setattr("consumer.offline.score.WINDOW_LINES", window)
    monkeypatch.setattr("consumer.offline.score.load_scorer", lambda *_: scorer)
    bad = {number: BAD_LINES[line] for number, line in enumerate(lines, start=1) if line in BAD_LINES}
    good = [
        (f"line-{number}", line.decode())
        for number, line in enumerate(lines, start=1)
        if line in (b"fine", b"so good")
    ]
    values = [b'{"text": "' + line + b'"}' if as_json and line.strip() else line for line in lines]
    if as_json:
        bad = {
            number: reason.replace("value is not UTF-8", "text is not UTF-8").replace("byte 7", "byte 17")
            for number, reason in bad.items()
        }
    flags = ["--json"] * as_json

    skipped = command("score", "--model", str(model), *flags, stdin=b"\n".join(values) + b"\n")
    failed = command(
        "score", "--model", str(model), "--on-error", "fail", *flags, stdin=b"\n".join(values) + b"\n"
    )

    first = min(bad, default=len(lines) + 1)
    assert [(one.id, one.text) for one in failed.results()] == [one for one in good if int(one[0][5:]) < first]
    assert failed.err == "".join(f"error: line {first}: {bad[first]}\n" for first in sorted(bad)[:1])
    assert [(one.id, one.text) for one in skipped.results()] == good
    assert skipped.err.splitlines() == [f"skipped line {number}: {reason}" for number, reason in bad.items()] + [
        f"error: no result for {len(bad)} of {len(lines)} lines; each is named above"
    ] * bool(bad)
    assert (failed.code, skipped.code) == ((65, 65) if bad else (0, 0))


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        (
            ["--json"],
            b'{"text": "fine"}\n{"txt": "private"}\n',
            "line 2: no text at text: the value is an object with the fields txt",
        ),
        (["--json"], b'{"text": "fine"}\n{"text": "a"}\nprivate', "line 3: the value is not JSON"),
        (["fine", " "], b"", "text 2: it is blank; there is no text to score"),
    ],
)
def test_a_line_that_cannot_be_read_is_named(
    command: Command, model: Path, arguments: list[str], stdin: bytes, said: str
) -> None:
    """Given a bad line, when scored, then the exit code is 65 and the error names the line, not its content."""
    ended = command("score", "--model", str(model), "--on-error", "fail", *arguments, stdin=stdin)

    assert ended.code == 65
    assert ended.err.startswith(f"error: {said}")
    assert "private" not in ended.err
    assert ended.results()


@pytest.mark.parametrize("place", [1, 3, 700])
def test_a_line_that_cannot_be_scored_is_named(
    command: Command, model: Path, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    """Given a text that the model cannot score, when scored, then the error names the line."""
    monkeypatch.setattr("consumer.offline.score.load_scorer", lambda *_: FakeScorer(unscorable={"private"}))
    lines = ["fine"] * (place - 1) + ["private"] + ["fine"]

    ended = command("score", "--model", str(model), "--on-error", "fail", stdin="\n".join(lines).encode())

    assert ended.code == 65
    assert ended.err == f"error: line {place}: {UNSCORABLE.reason}\n"
    assert len(ended.results()) == place - 1


@pytest.mark.slow
@pytest.mark.parametrize("method", ["occlusion", "gradients"])
def test_an_answer_is_explained_word_by_word(command: Command, model: Path, method: str) -> None:
    """Given --explain, when texts are scored, then each result has the weight of each of its words."""
    ended = command("score", "--model", str(model), "--explain", method, "good coffee", "bad !")

    assert ended.code == 0
    found = [json.loads(line) for line in ended.out.splitlines()]
    words = [[word["text"] for word in one["explanation"]["words"]] for one in found]
    assert words == [["good", "coffee"], ["bad", "!"]]
    for one in found:
        share = one["score"]
        assert one["explanation"]["label"] == one["label"]
        assert one["explanation"]["log_odds"] == pytest.approx(math.log(share / (1 - share)), abs=0.05)
        assert all(word["weight"] for word in one["explanation"]["words"])


@pytest.mark.slow
def test_gradients_of_a_text_in_segments_are_refused(command: Command, tmp_path: Path) -> None:
    """Given a text that is read in segments, when gradients are asked for, then the other method is named."""
    folder = tiny_model(tmp_path / "model")
    how = LongTexts(max_segments=4, overlap=8)
    seal(folder, open_artifact(folder).manifest.model_copy(update={"long_texts": how}))

    ended = command("score", "--model", str(folder), "--explain", "gradients", "good coffee " * 100)

    assert ended.code == 78
    assert "read in segments: use --explain occlusion" in ended.err


def test_ids_that_cannot_be_used_are_counted(
    command: Command, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given ids of other kinds, when scored, then the results are called by their lines, and that is said."""
    monkeypatch.setattr("consumer.offline.score.load_scorer", lambda *_: FakeScorer())
    lines = b'{"text": "a", "id": {"$oid": "65f0"}}\n{"text": "b", "id": "own"}\n'

    ended = command("score", "--json", "--model", str(model), stdin=lines)

    assert [one.id for one in ended.results()] == ["line-1", "own"]
    assert ended.err.startswith("1 results are called by their line: an id is a string")
    assert ended.code == 0


def test_so_many_bad_lines_are_named_and_all_are_counted(
    command: Command, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a file of another kind, when scored, then a few lines are named, all counted."""
    monkeypatch.setattr("consumer.offline.score.load_scorer", lambda *_: FakeScorer())

    ended = command("score", "--json", "--model", str(model), stdin=b"a,b\n" * 5000)

    *named, last = ended.err.splitlines()
    assert len(named) == NAMED
    assert last == f"error: no result for 5000 of 5000 lines; the first {NAMED} are named above"
    assert (ended.code, ended.out) == (65, "")


def test_long_lines_do_not_fill_the_memory(command: Command, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given lines around the limit and far beyond it, when scored, then memory never holds more than the limit."""
    monkeypatch.setattr("consumer.offline.score.load_scorer", lambda *_: FakeScorer())
    monkeypatch.setenv("SENTIMENT_LIMITS__MAX_RECORD_BYTES", "2000")
    lengths = [1999, 2000, 2001, 2002, 2003, 5_000_000, 1, 2000]
    tracemalloc.start()

    ended = command(
        "score",
        "--model",
        str(model),
        stdin=b"\r\n".join(b"x" * length for length in lengths),
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert [(one.id, len(one.text or "")) for one in ended.results()] == [
        (f"line-{number}", length) for number, length in enumerate(lengths, start=1) if length <= 2000
    ]
    for number, length in enumerate(lengths, start=1):
        said = f"skipped line {number}: it has more bytes than the limit of 2000\n"
        assert (said in ended.err) == (length > 2000)
    assert peak < 4 * 5_000_000


def test_a_terminal_gets_a_table(command: Command, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a terminal, when a hostile text is scored, then a table shows it harmlessly."""
    monkeypatch.setenv("COLUMNS", "200")
    ended = command("score", "--model", str(model), "fine\x1b[31m [red]text", terminal=True)

    assert ended.code == 0
    for shown in ("probability", *LABELS, "\\u001b[31m [red]text"):
        assert shown in ended.out
    assert "\x1b[31m" not in ended.out


def test_check_says_of_each_part_what_it_found(command: Command, model: Path) -> None:
    """Given a model and no broker, when checked, then the model's lines are ok and the code is the broker's."""
    ended = command("check", "--model", str(model), "--device", "cpu", "--bootstrap-servers", NOBODY)

    marks = {line.split()[1]: line.split()[0] for line in ended.out.splitlines()}
    assert ended.code == 69
    assert marks == dict.fromkeys(("settings", "model", "device", "score"), "ok") | {
        "broker": "FAIL",
        "topics": "-",
        "rights": "-",
        "configs": "-",
        "cluster": "-",
        "input": "-",
    }


def test_check_fails_on_a_model_that_cannot_score(
    command: Command, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a model that cannot score the check's sentence, when checked, then that line fails and says why."""
    monkeypatch.setattr("consumer.preflight.checks.load_scorer", lambda *_: FakeScorer(unscorable={SENTENCE}))

    ended = command("check", "--model", str(model), "--device", "cpu", "--bootstrap-servers", NOBODY)

    assert re.search(rf"FAIL +score +.* cannot be scored: {UNSCORABLE.reason}", ended.out)


def test_config_show_can_be_read_back(command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Given settings from three sources, when shown, then each names its source, and the output can be loaded."""
    monkeypatch.setenv("SENTIMENT_KAFKA__SASL_PASSWORD", "hunter2")
    monkeypatch.setenv(
        "SENTIMENT_KAFKA__PROPERTIES", '{"sasl.oauthbearer.client.secret": "hunter2", "linger.ms": 7}'
    )
    flags = ["--group-id", 'a: "b" #c', "--input-topic", "x", "--insecure", "--bootstrap-servers", "kafka:9092"]

    shown = command("config", "show", *flags)
    file = tmp_path / "shown.yaml"
    file.write_text(shown.out)
    monkeypatch.delenv("SENTIMENT_KAFKA__SASL_PASSWORD")
    monkeypatch.delenv("SENTIMENT_KAFKA__PROPERTIES")
    again = command("config", "show", "--config", str(file))

    assert shown.code == again.code == 0
    assert 'kafka.sasl_password: "***"  # SENTIMENT_KAFKA__SASL_PASSWORD' in shown.out
    assert "kafka.insecure: true  # --insecure" in shown.out
    assert "limits.batch_records: 1024  # default" in shown.out
    assert "# linger.ms: 7" in shown.out
    assert "hunter2" not in shown.out + shown.err
    assert f'group_id: "a: \\"b\\" #c"  # {file}' in again.out


@pytest.mark.parametrize(
    ("yaml", "options", "code", "line"),
    [
        ("group_id: tweets", [], 0, "ok   {file}: run takes it; 0 warnings"),
        ("until_idle_s: 5", [], 0, "warn until_idle_s: the run ends by itself"),
        ("until_idle_s: 5", ["--strict"], 78, "warn until_idle_s: the run ends by itself"),
        ("grup_id: tweets", [], 78, "FAIL unknown setting grup_id in {file}; did you mean group_id?"),
    ],
)
def test_config_check_has_an_exit_code_for_a_ci(
    *,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    yaml: str,
    options: list[str],
    code: int,
    line: str,
) -> None:
    """Given a file, when checked, then code and lines say what is wrong with it, whatever the environment has."""
    monkeypatch.setenv("SENTIMENT_NO_SUCH_SETTING", "1")
    file = tmp_path / "settings.yaml"
    file.write_text(yaml)

    ended = command("config", "check", str(file), *options)

    assert ended.code == code
    assert line.format(file=file) in ended.out
    assert ended.err.startswith(f"error: {file}: ") if code else not ended.err


def test_health_takes_the_settings_of_the_process(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Given the file and the environment of a run with every group, then `health` finds its port by them."""
    side = HttpSide()
    with side.listening() as client:
        port = client.base_url.port
        file = tmp_path / "settings.yaml"
        file.write_text(
            f"group_id: tweets\nmetrics: {{host: '::', port: 9464}}\ndrift: {{window: 1000}}\nlog_format: json\n"
            f"http: {{host: 0.0.0.0, port: {port}}}\n"
        )
        file.chmod(0o600)
        monkeypatch.setenv("SENTIMENT_CONFIG", str(file))
        monkeypatch.setenv("SENTIMENT_HTTP__API_KEY", "0123456789abcdef")
        monkeypatch.setenv("SENTIMENT_METRICS__TOKEN", "0123456789abcdef")
        assert command("health", "livez") == Ended(0, "", "")

        starting = command("health")

    assert (starting.code, starting.err) == (1, f"/readyz at 127.0.0.1 port {port} answers 503\n")


def test_check_does_not_score_without_a_model(command: Command) -> None:
    """Given neither broker nor model, when checked, then both fail and the checks that need them are skipped."""
    ended = command("check", "--bootstrap-servers", NOBODY)

    assert ended.code == 69
    assert re.search(r"FAIL +model +no model folder: give --model", ended.out)
    assert re.search(r"- +score +not tried: needs model and device", ended.out)


@pytest.mark.slow
def test_the_command_works_as_a_process(model: Path) -> None:
    """Given a bad line, when scored in a process of its own, then stdout is empty and stderr has one line."""
    words = ("consumer", "score", "--json", "--on-error", "fail", "--model", str(model))
    run_command(
        *words, stdin=b"{}\n"
    )  # probes the engine, with a line, where this processor was not probed before
    done = run_command(*words, stdin=b"{}\n")

    assert (done.returncode, done.stdout) == (65, b"")
    assert done.stderr == b"error: line 1: no text at text: the value is an empty object\n"
