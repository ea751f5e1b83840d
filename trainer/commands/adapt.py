"""`sentiment-trainer adapt`."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated

import typer

from shared.command_line import Loaded
from shared.terminal import show
from trainer.commands.options import BASE, COMPUTING, FILES, LOGS, Data, settings_options
from trainer.models.distributed.world import the_world
from trainer.settings import TrainerEnvironment


@settings_options(
    *BASE,
    *FILES,
    "trainer.text_column",
    "trainer.epochs",
    "trainer.budget",
    "trainer.learning_rate",
    "trainer.batch_size",
    "trainer.accumulate",
    "trainer.max_tokens",
    "trainer.dropout",
    "trainer.evaluations_per_epoch",
    "trainer.patience",
    "trainer.checkpoint_every_s",
    *COMPUTING,
    "trainer.seed",
    "trainer.cache_dir",
    *LOGS,
)
def adapt(
    loaded: Loaded[TrainerEnvironment],
    *,
    data: Data,
    output: Annotated[Path, typer.Option("--output", help="Folder to write, for train --base.")],
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep a checkpoint next to the output; continue from it if it exists.")
    ] = False,
) -> None:
    """Teaches a base the language of texts without labels, by masked language modelling, before it is trained."""
    from trainer.data.datasets.named import read_data  # noqa: PLC0415
    from trainer.data.readers import column_names, read_texts  # noqa: PLC0415

    began = time.monotonic()
    settings = loaded.settings.trainer
    # First, so that an error in the data does not take the seconds that importing torch takes.
    texts = read_texts(data, column_names(settings)) if data.exists() else read_data(data, settings).texts

    from trainer.models.adaptation.adapt import Job  # noqa: PLC0415
    from trainer.models.adaptation.adapt import adapt as run  # noqa: PLC0415
    from trainer.models.transformer.base import hush_transformers  # noqa: PLC0415

    hush_transformers()
    origin = run(Job(texts, str(data), output, resume=resume, world=the_world(), began=began), settings)
    if origin.has_new_head:
        show(
            f"{origin.base} has no head that guesses masked tokens: it got a new one, with the embeddings as its "
            "output layer, so the loss before says nothing of the base. What a new head sends back may make it "
            "worse: train on labelled rows with both, and compare"
        )
    show(
        f"{origin.held_out:,} held-out texts: loss of a masked token {origin.loss_before:.3f} before, "
        f"{origin.loss_after:.3f} after (perplexity {math.exp(origin.loss_before):,.1f} and "
        f"{math.exp(origin.loss_after):,.1f})"
    )
    show(
        f"{output}: a base that has read {origin.texts:,} texts; sentiment-trainer train --base {output} "
        "--data FILE --output MODEL"
    )
