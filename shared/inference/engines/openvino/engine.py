"""An engine for the CPU on OpenVINO: the lean model, padded passes, one infer request per thread.

Needs the extra `cpu`: without it, importing this module raises ModuleNotFoundError. Does not import torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shared.errors import SettingsError
from shared.inference.engines.base import Answer
from shared.inference.engines.openvino.bert_shape import read_shape
from shared.inference.engines.openvino.lean import LeanModel, Unreadable
from shared.inference.engines.openvino.runtime import native_precision, openvino
from shared.inference.isolation import OutOfMemory, PassFailed
from shared.inference.probe.examine import examine
from shared.inference.probe.texts import PROBE_TEXTS
from shared.inference.tokenization.rows import TokenRow
from shared.inference.tokenization.tokenise import Tokeniser

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.inference.engines.base import Ids
    from shared.inference.probe.probe import Precision
    from shared.model_folder.artifact import Artifact

BATCH_TOKENS: Final = 1_024
"""On 2 cores, 512 and 1,024 were equal, 8,192 lost 30 %."""
PASS_TOKENS: Final = 32
"""The fixed cost of a pass, in tokens. With at most this padding per pass, MiniLM in bf16 on 2 cores took 1/2.3,
1/1.2 and 1/1.07 of the time of full passes for windows of 16, 64 and 512 tweets; 16 to 64 tokens were equal."""
_NO_MEMORY: Final = ("Failed to allocate", "bad_alloc")
"""Parts of the message of a RuntimeError of OpenVINO that mean out of memory."""


class OpenVinoEngine:
    """A model compiled for this CPU, not yet probed. `forward` may be called by `concurrency` threads at once.

    Raises UnknownArchitecture if another engine is needed, ArtifactError, and SettingsError for a precision that
    this CPU or this folder does not have. Compiling takes about a second.
    """

    device = "cpu"
    batch_tokens = BATCH_TOKENS
    padding = PASS_TOKENS

    def __init__(self, artifact: Artifact, precision: Precision) -> None:
        if precision == "bf16" and native_precision() != "bf16":
            raise SettingsError("precision bf16: this CPU has no instructions for it; use auto or fp32")
        shape = read_shape(artifact)
        if precision == "int8" and artifact.manifest.int8 is None:
            raise SettingsError(
                f"precision int8: {artifact.path} holds no int8 export; make it with sentiment-trainer export "
                f"{artifact.path} --precision int8 --data FILE, or use auto"
            )
        self.model = LeanModel(artifact, shape, precision)
        self.concurrency = self.model.concurrency

    @property
    def name(self) -> str:
        """See `Engine`; includes the pass shapes that are avoided here."""
        shapes = self.model.shapes
        kinds = {"tokens": shapes.avoided_widths, "rows": shapes.avoided_rows}
        avoided = [f", no pass of {sorted(sizes)} {kind}" for kind, sizes in kinds.items() if sizes]
        version = openvino.get_version().partition("-")[0]
        return f"openvino {version} {self.model.precision}, lean{''.join(avoided)}"

    @property
    def avoiding_passes(self) -> int:
        """Passes so far that were larger than necessary, because answers of their shape are wrong here."""
        return self.model.avoiding_passes

    def forward(self, rows: Sequence[Ids]) -> Answer:
        """Runs one pass; see `Engine`."""
        try:
            return Answer(*self.model.run(rows))
        except Unreadable as unreadable:
            failure: OutOfMemory | PassFailed = PassFailed(str(unreadable))
        except (RuntimeError, MemoryError) as error:
            no_memory = isinstance(error, MemoryError) or any(sign in str(error) for sign in _NO_MEMORY)
            failure = OutOfMemory() if no_memory else PassFailed(type(error).__name__)
        # Outside of `except`: there the error, and by its traceback the arrays of the pass, would be kept.
        raise failure


def load_engine(artifact: Artifact, precision: Precision) -> OpenVinoEngine:
    """Loads an engine and probes it, unless the verdict of an earlier probe is cached; see `examine`.

    Raises what `OpenVinoEngine` raises, and Untrusted if another engine is needed. A probe takes seconds.
    """
    engine = OpenVinoEngine(artifact, precision)
    examine(
        engine.model,
        artifact,
        # Called only if there is no cached verdict; with one, this step takes 2 ms (decision 16).
        lambda: _probe_rows(artifact),
        longest=artifact.manifest.max_tokens,
        files=artifact.manifest.files,
    )
    return engine


def _probe_rows(artifact: Artifact) -> list[Ids]:
    rows = Tokeniser.load(artifact).rows(PROBE_TEXTS)
    return [row.ids for row in rows if isinstance(row, TokenRow)]
