"""Seals a classifier that somebody else fine-tuned, so that everything here can use it.

Nothing is trained. The folder says what is not known of such a model: its training data, and without data of yours
its calibration and quality. It is sealed only if the code that serves gives the answers of plain transformers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import structlog
import torch

from shared.errors import ArtifactError, InputDataError, SettingsError
from shared.inference.postprocessing import softmax
from shared.inference.probe.texts import PROBE_TEXTS
from shared.inference.tokenization.rows import TokenRow
from shared.inference.tokenization.tokenise import Tokeniser
from shared.model_folder.artifact import MANIFEST, seal
from shared.model_folder.manifest import MAX_TOKENS, Base, Manifest, Normaliser
from shared.text import NORMALISER_VERSION, NormaliserOptions, normalise
from trainer.data.labels.polarity import polarity_of
from trainer.evaluation.adoption import Calibrated, calibrate
from trainer.evaluation.postprocessing.fitting import DEFAULTS, Wanted
from trainer.evaluation.provenance import libraries, long_texts
from trainer.evaluation.serving import serve
from trainer.models.model_folder import check_output, publish, replacing, save_model
from trainer.models.pretrained.classifier import build, positions_of
from trainer.models.pretrained.config import read_config
from trainer.models.pretrained.head import label_names, refuse_other_heads
from trainer.models.pretrained.source import find_source
from trainer.models.pretrained.tokenizer import (
    check_vocabulary,
    ids_by_transformers,
    limit_of,
    load_tokenizer,
    settle_padding,
)
from trainer.models.pretrained.weights import read_weights
from trainer.models.transformer.encoding import ODD_TEXTS

if TYPE_CHECKING:
    from pathlib import Path

    from shared.model_folder.artifact import Artifact
    from trainer.data.examples import Examples
    from trainer.evaluation.report import Report
    from trainer.models.transformer.predict import FloatArray

log = structlog.get_logger()

MAX_DIFFERENCE: Final = 1e-4
"""Of a probability from that of plain transformers, in fp32. Tiny random models differ by 2e-6 at most."""


@dataclass(frozen=True, slots=True)
class Job:
    """The arguments of one run of `adopt`."""

    model: str
    output: Path
    cache_dir: Path
    revision: str | None = None
    label_names: tuple[str, ...] | None = None
    max_tokens: int | None = None
    max_segments: int = 1
    normaliser: bool = False
    data: Examples | None = None
    """Labelled texts to calibrate and test on."""
    wanted: Wanted = DEFAULTS
    polarity: str | None = None
    """As `polarity_of` takes it."""
    device: str = "auto"
    name: str | None = None
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    """A classifier that can be adopted."""

    model: Any
    tokenizer: Any
    manifest: Manifest
    """Without a temperature of its own, metrics and files."""


def adopt(job: Job) -> tuple[Artifact, Report]:
    """Loads, checks and seals a fine-tuned classifier; raises SentimentError with what to do."""
    check_output(job.output, overwrite=job.overwrite)
    loaded = _load(job)
    manifest = loaded.manifest
    if job.data is not None:  # before the weights are written, so that wrong labels cost no time
        job = replace(job, data=job.data.in_order_of(manifest.labels, whose=manifest.base.name))
    with replacing(job.output) as folder:
        save_model(folder, loaded.model, loaded.tokenizer, manifest.max_tokens)
        raw = seal(folder, manifest)
        _compare_ids(raw, loaded)
        _compare_answers(raw, loaded)
        found = Calibrated() if job.data is None else calibrate(raw, job.data, job.wanted, job.device)
        manifest = raw.manifest.model_copy(update=found.in_manifest)
        artifact = publish(folder, manifest, found.report, found.diagnostics)
    return replace(artifact, path=job.output), found.report  # it was sealed under its temporary name


def _load(job: Job) -> Loaded:
    source = find_source(job.model, job.revision, job.cache_dir)
    if (source.folder / MANIFEST).is_file():
        raise SettingsError(f"{job.model} is a sealed model folder already; it needs no adoption")
    settings = read_config(source.folder)
    refuse_other_heads(settings, source.name)
    labels = label_names(settings, job.label_names, source.name)
    weights = read_weights(source.folder)
    settings |= {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
        "problem_type": "single_label_classification",
    }
    model = build(settings, weights.tensors, source.name, any_head=False)
    tokenizer = load_tokenizer(source.folder)
    settle_padding(model, tokenizer, fine_tuned=True)
    check_vocabulary(model, tokenizer, source.name)
    max_tokens = choose_max_tokens(model, tokenizer, job.max_tokens, source.name)
    manifest = Manifest(
        name=job.name or job.output.absolute().name,
        labels=labels,
        normaliser=Normaliser(version=NORMALISER_VERSION, options=NormaliserOptions(enabled=job.normaliser)),
        max_tokens=max_tokens,
        long_texts=long_texts(max_tokens, job.max_segments),
        polarity=polarity_of(labels, job.polarity),
        base=Base(name=source.name, revision=source.commit or weights.sha256),
        libraries=libraries(),
        created_at=datetime.now(UTC).replace(microsecond=0),
    )
    log.info("adopting", model=source.name, architecture=settings["model_type"], max_tokens=max_tokens,
             pickle_converted=weights.converted)  # fmt: skip
    return Loaded(model, tokenizer, manifest)


def choose_max_tokens(model: Any, tokenizer: Any, wanted: int | None, name: str) -> int:
    """The user's value, else the most that both the model and its tokenizer state; raises SettingsError."""
    positions = positions_of(model)
    if wanted is not None:
        if wanted > (positions or MAX_TOKENS):
            raise SettingsError(f"--max-tokens {wanted} is more than the {positions} that {name} reads")
        return wanted
    stated = [limit for limit in (positions, limit_of(tokenizer)) if limit is not None]
    if not stated:
        raise SettingsError(f"{name} states no maximum length of a text; give --max-tokens, such as 512")
    return min(stated)


def _compare_ids(artifact: Artifact, loaded: Loaded) -> None:
    """Raises InputDataError if the tokenizer that serves gives other ids than transformers for some texts."""
    texts = [*PROBE_TEXTS, *ODD_TEXTS]
    expected = ids_by_transformers(loaded.tokenizer, texts, artifact.manifest.max_tokens)
    for row, ids in zip(Tokeniser.load(artifact).rows(texts), expected, strict=True):
        if not isinstance(row, TokenRow) or row.ids.tolist() != ids:
            split = " (split_special_tokens)" if loaded.tokenizer.split_special_tokens else ""
            raise InputDataError(
                f"{artifact.manifest.base.name}: settings of its tokenizer_config.json{split} act in transformers "
                "and not in tokenizer.json, which serves; save the tokenizer without them"
            )


def _compare_answers(artifact: Artifact, loaded: Loaded) -> None:
    """Raises ArtifactError unless the CPU's engine in fp32 answers as plain transformers does, text by text."""
    texts = [*PROBE_TEXTS, *ODD_TEXTS]
    # A pipeline has no segments.
    at_once = replace(artifact, manifest=artifact.manifest.model_copy(update={"long_texts": None}))
    served = serve(at_once, texts, device="cpu", precision="fp32")
    expected = np.array([_plainly(loaded, texts[row]) for row in served.rows])
    difference = float(np.abs(served.probabilities - expected).max())
    if len(served.rows) < len(texts) or not difference <= MAX_DIFFERENCE:  # also true for NaN
        raise ArtifactError(
            f"{artifact.manifest.base.name} cannot be served: {served.engine} answers {len(served.rows)} of "
            f"{len(texts)} texts, and differs from plain transformers by {difference:.2g}"
        )
    log.info("answers_compared", engine=served.engine, texts=len(texts), difference=difference)


@torch.inference_mode()
def _plainly(loaded: Loaded, text: str) -> FloatArray:
    """Probabilities of one text as transformers' own pipeline computes them, with all inputs of the tokenizer."""
    manifest = loaded.manifest
    clean = normalise(text, manifest.normaliser.options)
    inputs = loaded.tokenizer(clean, truncation=True, max_length=manifest.max_tokens, return_tensors="pt")
    (shares,) = softmax(loaded.model(**inputs).logits.double().numpy())
    return np.asarray(shares, np.float64)
