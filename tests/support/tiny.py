"""A BERT small enough for unit tests: random weights, a real WordPiece tokenizer, no network.

`tiny_base` has the layout of a pretrained base on disk; `tiny_model` is a sealed model folder of our own format.
Both are the same, byte for byte, on every call.
"""

from __future__ import annotations

import hashlib
import string
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BertTokenizer,
)

from shared.model_folder.artifact import read_manifest, seal
from shared.model_folder.manifest import Base, Manifest, Normaliser, TrainingData
from shared.text import NORMALISER_VERSION
from trainer.data.examples import Examples, write_examples
from trainer.data.parts import write_parts
from trainer.data.readers import read_examples
from trainer.data.sample import draw_sample
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shared.model_folder.artifact import Artifact

LABELS: Final = ("negative", "neutral", "positive")
MAX_TOKENS: Final = 64
POSITIONS: Final = 128
"""Position embeddings: the longest input that the tiny model can read."""

SPECIAL: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Words of everyday tweets, then word pieces: with single characters any ASCII text can be spelt out.
_WORDS: Final = """
the a an and or but if so not no never none nothing i me my we us our you your he him his she her it its
they them their this that these those here there what which who when where why how all any some more most
am is are was were be been being have has had do does did will would can could should may might must
go goes going went gone get got make made see saw seen say said think thought know knew take took come came
want wanted need needed feel felt love loved loves loving like liked likes hate hated hates hating enjoy
great good better best nice fine happy glad fun funny cool amazing awesome wonderful perfect beautiful sweet
excellent brilliant excited thanks thank thankful lovely fantastic favorite yay win won smile lol haha
bad worse worst awful terrible horrible sad angry mad sick tired boring broken wrong ugly poor stupid dumb
annoying annoyed disappointed disappointing fail failed failing lost lose losing sucks cry crying pain ugh
today tomorrow yesterday tonight morning night day week weekend year time now then soon later always again
very really too just only even still also much many lot little bit well maybe please sorry hope wish
new old first last next big small long short high low hot cold right left home work school phone movie song
music game book food coffee service price people friend friends family team store twitter http user news
one two three in on at by for from with without of to into over under up down out off about after before
as than because while until love heart face red smiling tears joy rain sun weather watch watching read
"""
_TELLING: Final = (("bad", "awful", "sad"), ("table", "phone", "street"), ("good", "great", "happy"))
"""By label."""
_ENDINGS: Final = "##s ##ed ##ing ##er ##est ##ly ##y ##n ##t ##ful ##less ##ness ##able ##al"


def tiny_base(folder: Path) -> Path:
    """Writes a headless BertModel with random weights and its tokenizer; returns the folder."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(_config(), add_pooling_layer=True).save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    return folder


def tiny_model(
    folder: Path, labels: Sequence[str] = LABELS, *, temperature: float = 1.5, max_tokens: int = MAX_TOKENS
) -> Path:
    """Writes and seals a model folder of our format with random weights; returns the folder.

    Its answers mean nothing, but they differ from text to text, so that a wrong order shows.
    """
    config = _config()
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: index for index, label in enumerate(labels)}
    config.problem_type = "single_label_classification"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = BertForSequenceClassification(config)
        torch.nn.init.normal_(model.classifier.weight, std=0.5)
    model.save_pretrained(folder)
    tokenizer = _tokenizer()
    tokenizer.save_pretrained(folder)
    seal(folder, _manifest(folder, tuple(labels), temperature, max_tokens))
    return folder


def write_data(path: Path, rows: int = 300) -> Path:
    """Made-up rows: one telling word and some numbered ones, so that no two are near-duplicates."""
    chance = np.random.default_rng(0)
    labels = chance.integers(0, 3, rows)
    texts = [
        f"{chance.choice(_TELLING[label])} {' '.join(f'w{number}' for number in chance.integers(0, 999, 6))}"
        for label in labels
    ]
    ids = tuple(f"id-{row}" for row in range(rows))
    write_examples(Examples(tuple(texts), labels, LABELS, ids, "made up"), path)
    return path


def claim_training(folder: Path, data: Path) -> Artifact:
    """Seals a folder again, as that of a model that was trained on these data with the default settings."""
    splits = draw_sample(read_examples(data), TrainerSettings()).splits
    learnt = TrainingData(
        source=splits.train.source, rows=len(splits.train), fingerprint=splits.train.fingerprint()
    )
    write_parts(folder, splits)
    return seal(folder, read_manifest(folder).model_copy(update={"data": learnt}))


def tiny_model_of(folder: Path, architecture: str, *, max_tokens: int = MAX_TOKENS) -> Path:
    """Like `tiny_model`, with another architecture that transformers knows by this name, for `max_tokens`."""
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    if architecture == "distilbert":
        sizes = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
    config = AutoConfig.for_model(
        architecture,
        **sizes,
        vocab_size=len(vocabulary()),
        pad_token_id=0,
        # RoBERTa does not use the positions up to the padding token's, here 0, and MPNet those up to 1.
        max_position_embeddings=max_tokens + (2 if architecture == "mpnet" else 1),
        initializer_range=0.2,
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForSequenceClassification.from_config(config)  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    _tokenizer().save_pretrained(folder)
    seal(folder, _manifest(folder, LABELS, 1.5, max_tokens))
    return folder


def _config() -> BertConfig:
    # A wide initialisation: with BERT's own 0.02 all texts would get nearly equal logits.
    return BertConfig(
        vocab_size=len(vocabulary()),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=POSITIONS,
        initializer_range=0.2,
    )


def vocabulary() -> dict[str, int]:
    """Special tokens, single characters alone and inside a word, common endings and words."""
    chars = string.ascii_lowercase + string.digits + string.punctuation
    pieces = [*SPECIAL, *chars, *(f"##{char}" for char in chars), *_ENDINGS.split(), *_WORDS.split()]
    return {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}


def _tokenizer() -> BertTokenizer:
    return BertTokenizer(vocab=vocabulary(), do_lower_case=True, model_max_length=POSITIONS)


def _manifest(folder: Path, labels: tuple[str, ...], temperature: float, max_tokens: int) -> Manifest:
    weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    return Manifest(
        name="tiny",
        labels=labels,
        normaliser=Normaliser(version=NORMALISER_VERSION),
        max_tokens=max_tokens,
        temperature=temperature,
        class_priors=dict.fromkeys(labels, 1 / len(labels)),
        base=Base(name="tiny", revision=weights),
        data=TrainingData(source="none: random weights", rows=0, fingerprint=hashlib.sha256().hexdigest()),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
