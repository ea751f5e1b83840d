"""The model's answers depend only on the text, not on its place, its neighbours or its batch."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from shared.errors import ArtifactError, ScorerError, SettingsError
from shared.inference.device import choose_device
from shared.inference.engines.select import load_scorer
from shared.inference.scheduler import Scheduler
from shared.inference.types import BLANK, Score
from shared.model_folder.artifact import Artifact, open_artifact, seal
from shared.text import NormaliserOptions, normalise
from tests.support.tiny import LABELS, MAX_TOKENS, tiny_model, vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

WORDS = sorted(word for word in vocabulary() if word.isalpha() and len(word) > 2)


def mixed(count: int = 40) -> list[str]:
    """Texts of 1 to far more than MAX_TOKENS words, in no order."""
    chance = random.Random(7)  # noqa: S311 - repeatable, not secret
    return [
        " ".join(chance.choices(WORDS, k=chance.choice((1, 2, 5, 13, 40, MAX_TOKENS, 150)))) for _ in range(count)
    ]


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A sealed tiny model."""
    return open_artifact(tiny_model(tmp_path_factory.mktemp("tiny") / "model", temperature=1.7))


@pytest.fixture(scope="module")
def scorer(artifact: Artifact) -> Scheduler:
    """The tiny model, in batches small enough that 40 texts need many."""
    return Scheduler(load_scorer(artifact, "cpu", "fp32"), batch_tokens=256)


def probabilities(scorer: Scheduler, texts: Sequence[str]) -> torch.Tensor:
    """Probabilities `[texts, labels]`."""
    return torch.tensor([score.probabilities for score in scored(scorer, texts)])


def scored(scorer: Scheduler, texts: Sequence[str]) -> list[Score]:
    """Scores of texts that are all scorable."""
    scores = [score for score in scorer.score(texts) if isinstance(score, Score)]
    assert len(scores) == len(texts)
    return scores


def close(one: torch.Tensor, other: torch.Tensor, tolerance: float) -> bool:
    """Whether all numbers are equal within the tolerance."""
    return torch.allclose(one, other, rtol=0, atol=tolerance)


def test_a_batch_answers_as_one_at_a_time(scorer: Scheduler) -> None:
    """Given texts of mixed lengths, when scored together, then each has the answer that it gets alone."""
    texts = mixed()
    alone = torch.cat([probabilities(scorer, [text]) for text in texts])

    assert close(probabilities(scorer, texts), alone, 1e-4)
    assert alone.std(dim=0).min() > 0.01  # a wrong order would show


def test_neighbours_change_nothing(scorer: Scheduler) -> None:
    """Given the same texts in another order, when scored, then each keeps its answer, in the given order."""
    texts = mixed()
    order = list(range(len(texts)))
    random.Random(3).shuffle(order)  # noqa: S311

    shuffled = probabilities(scorer, [texts[index] for index in order])

    assert close(shuffled, probabilities(scorer, texts)[order], 1e-5)


def test_answers_are_those_of_transformers(scorer: Scheduler, artifact: Artifact) -> None:
    """Given texts, when scored, then they equal a plain forward pass, divided by the temperature."""
    texts = [*mixed(20), "Caf\u00e9 &amp; @someone https://t.co/x \N{FIRE}"]
    tokenizer: Any = AutoTokenizer.from_pretrained(artifact.path)
    model: Any = AutoModelForSequenceClassification.from_pretrained(artifact.path).eval()
    expected = []
    for text in texts:
        inputs = tokenizer(normalise(text), truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
        with torch.no_grad():
            expected.append(torch.softmax(model(**inputs).logits / 1.7, dim=-1))

    assert close(probabilities(scorer, texts), torch.cat(expected), 1e-5)


def test_lengths_and_truncation_are_told(scorer: Scheduler) -> None:
    """Given texts around the limit, when scored, then tokens include special ones; only an excess truncates."""
    scores = scored(scorer, ["love", " ".join(["love"] * (MAX_TOKENS - 2)), " ".join(["love"] * (MAX_TOKENS - 1))])

    assert [(score.tokens, score.truncated) for score in scores] == [(3, False), (64, False), (64, True)]
    assert all(score.computed_tokens >= score.tokens for score in scores)
    assert all(abs(sum(score.probabilities) - 1) < 1e-6 for score in scores)


NOTHING = st.text(
    st.sampled_from(" \t\u200b\u00a0\u00ad\u2060\ufeff\u0000\u0007\u2028\ud800\u0301\ufffd"), max_size=6
) | st.sampled_from(['""', "\u201c \u201d", "&nbsp;", "&#8203;&zwnj;", "\\u200b\\u200b", "the", "The A an"])


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("remove_stop_words", [False, True])
def test_a_text_of_which_nothing_remains_is_never_scored(
    artifact: Artifact, monkeypatch: pytest.MonkeyPatch, *, lowercase: bool, remove_stop_words: bool
) -> None:
    """Given texts of any characters, when scored, then none that is blank after cleaning reaches a pass.

    The same holds for a text that the tokenizer removes, such as a lone accent. All others keep their answers.
    """
    options = NormaliserOptions(lowercase=lowercase, remove_stop_words=remove_stop_words)
    normaliser = artifact.manifest.normaliser.model_copy(update={"options": options})
    changed = replace(artifact, manifest=artifact.manifest.model_copy(update={"normaliser": normaliser}))
    bert = load_scorer(changed, "cpu", "fp32")
    forward = bert.forward
    lengths: list[int] = []

    def watched(rows: Sequence[Any]) -> Sequence[Score | None]:
        lengths.extend(len(row) for row in rows)
        return forward(rows)

    monkeypatch.setattr(bert, "forward", watched)
    scoring = Scheduler(bert)
    tokenizer: Any = AutoTokenizer.from_pretrained(artifact.path)

    @settings(deadline=None, max_examples=100)
    @given(texts=st.lists(NOTHING | st.text(max_size=5), max_size=6))
    def check(texts: list[str]) -> None:
        for text, answer in zip(texts, scoring.score(texts), strict=True):
            cleaned = normalise(text, options)
            is_blank = not cleaned or not tokenizer(cleaned, add_special_tokens=False)["input_ids"]
            assert is_blank == (answer == BLANK)
            assert is_blank or isinstance(answer, Score)

    check()
    assert min(lengths) == 3


def test_nothing_gets_no_answer(scorer: Scheduler) -> None:
    """Given no texts, when scored, then there are no scores."""
    assert scorer.score([]) == []


def test_the_scorer_says_what_it_is(artifact: Artifact) -> None:
    """Given a scorer, when its properties are read, then labels and version are the folder's."""
    scorer = load_scorer(artifact, "cpu")
    described = scorer.describe()

    assert scorer.model.labels == LABELS
    assert (described["name"], described["version"], described["device"]) == ("tiny", artifact.version, "cpu")


def test_the_same_folder_answers_the_same_every_time(artifact: Artifact, scorer: Scheduler) -> None:
    """Given scorers of one folder with other batch sizes and precision, when compared, then they agree."""
    texts = mixed(20)

    assert close(probabilities(Scheduler(load_scorer(artifact)), texts), probabilities(scorer, texts), 2e-2)


@pytest.mark.parametrize("device", ["cuda:99", "cuda:8"])
def test_a_device_that_is_not_there_is_refused(artifact: Artifact, device: str) -> None:
    """Given a device that the machine lacks, when loaded, then the error counts its devices and offers the CPU."""
    with pytest.raises(SettingsError, match=rf"device {device}: this machine shows \d+ CUDA devices; try cpu"):
        load_scorer(artifact, device)


def test_auto_takes_the_best_device_there_is() -> None:
    """Given `auto`, when resolved, then it is CUDA exactly if there is a GPU."""
    assert choose_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert choose_device("cpu") == "cpu"


def spoil(folder: Path) -> None:
    """Makes one weight of the classifier not a number."""
    weights = load_file(folder / "model.safetensors")
    weights["classifier.bias"][0] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def without_tokenizer(folder: Path) -> None:
    """Removes the tokenizer."""
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()


def of_another_kind(folder: Path) -> None:
    """Sets a kind of model that transformers does not know."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "nobody-knows-it"}))


def cut_off(folder: Path) -> None:
    """Leaves only the beginning of the weights."""
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:1000])


def of_another_shape(folder: Path) -> None:
    """Writes weights for two labels under a configuration for three."""
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"] = weights["classifier.weight"][:2].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def without_head(folder: Path) -> None:
    """Writes the weights of a base that was never fine-tuned."""
    weights = load_file(folder / "model.safetensors")
    bare = {name: weight for name, weight in weights.items() if not name.startswith("classifier")}
    save_file(bare, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        (spoil, ScorerError),
        (without_tokenizer, ArtifactError),
        (of_another_kind, ArtifactError),
        (cut_off, ArtifactError),
        (of_another_shape, ArtifactError),
        (without_head, ArtifactError),
    ],
)
def test_an_unfit_model_is_refused_before_the_first_text(
    artifact: Artifact, tmp_path: Path, harm: Callable[[Path], None], kind: type[Exception]
) -> None:
    """Given a sealed folder whose model cannot answer, when loaded, then the error explains why."""
    folder = shutil.copytree(artifact.path, tmp_path / "model")
    harm(folder)
    unfit = seal(folder, artifact.manifest)

    with pytest.raises(kind):
        load_scorer(unfit, "cpu")
