"""Probes a compiled model on a CPU before it serves, or reads the verdict of an earlier probe."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import structlog

from shared.inference.engines.openvino.lean import LeanModel
from shared.inference.engines.openvino.runtime import openvino
from shared.inference.probe import verdicts
from shared.inference.probe.probe import PROBE_VERSION, Probe, judge
from shared.inference.probe.processor import processor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shared.inference.engines.base import Ids, Logits
    from shared.inference.probe.probe import ProbePass, Verdict
    from shared.model_folder.artifact import Artifact

log = structlog.get_logger()


class Untrusted(Exception):  # noqa: N818 - another engine may work
    """An engine answers wrongly on this machine, in too many pass shapes to avoid them; the message says so."""


def examine(
    model: LeanModel,
    artifact: Artifact,
    sample: Callable[[], Sequence[Ids]],
    *,
    longest: int,
    files: Mapping[str, str] | None,
) -> None:
    """Limits `model` to the pass shapes in which its answers are right; call it before any other pass.

    `artifact` is the model's folder, `sample` returns tokenised texts, `longest` is the maximum tokens of a row.
    `files` are the digests of the folder, the key of the cached verdict; None: nothing is cached. A probe takes
    seconds and, unless the precision is fp32, the memory of the model in fp32. Raises Untrusted.
    """
    longest = min(longest, model.shape.positions)
    key = None if files is None else _key(model, files, longest)
    verdict = None if key is None else verdicts.recall(key)
    if verdict is None:
        verdict = _probe(model, artifact, Probe(longest, sample()))
        if key is not None and verdict is not None:
            verdicts.keep(key, verdict)
    if verdict is None:  # the model's logits are not finite, which `warm_up` will report
        return
    if not verdict.trusted:
        log.warning("engine_not_trusted", precision=model.precision, **_distances(verdict))
        raise Untrusted(f"OpenVINO answers wrongly in {model.precision} on this processor")
    if verdict.avoided_widths or verdict.avoided_rows:
        log.warning(
            "pass_shapes_avoided",
            precision=model.precision,
            widths=verdict.avoided_widths,
            rows=verdict.avoided_rows,
            **_distances(verdict),
        )
    model.shapes = verdict.shapes(longest)


def _probe(model: LeanModel, artifact: Artifact, probe: Probe) -> Verdict | None:
    began = time.perf_counter()
    if model.precision == "fp32":
        reference, passes = None, [*probe.passes, *probe.reference_passes()]
    else:
        reference, passes = _reference(LeanModel(artifact, model.shape, "fp32"), probe), probe.passes
    answers = _ask(model, probe, passes)
    verdict = judge(probe, answers, reference, model.precision)
    seconds = round(time.perf_counter() - began, 2)
    found = {} if verdict is None else _distances(verdict)
    log.info("engine_probed", precision=model.precision, passes=len(answers), seconds=seconds, **found)
    return verdict


def _reference(model: LeanModel, probe: Probe) -> Logits:
    """Logits of the probe's rows in fp32."""
    answers = [answer for answer in _ask(model, probe, probe.reference_passes()) if answer is not None]
    logits: Logits = np.concatenate(answers) if answers else np.empty((0, model.shape.labels), np.float32)
    if len(logits) < len(probe.rows):
        raise Untrusted("OpenVINO cannot run passes in fp32 on this processor")
    return logits


def _ask(model: LeanModel, probe: Probe, passes: Sequence[ProbePass]) -> list[Logits | None]:
    """Runs passes, as many at once as in service; returns answers in the order of the passes."""
    with ThreadPoolExecutor(model.concurrency) as threads:
        return list(threads.map(lambda one: probe.ask(model.run_in, one), passes))


def _distances(verdict: Verdict) -> dict[str, float]:
    names = ("drift", "avoided_drift", "drift_bound", "error", "error_bound")
    return {name: round(getattr(verdict, name), 4) for name in names}


def _key(model: LeanModel, files: Mapping[str, str], longest: int) -> str:
    """The key of everything that a verdict depends on; the version of OpenVINO includes that of oneDNN."""
    # Without the card and metrics.json: evaluating a model again needs no new probe.
    shaping = {
        name: digest for name, digest in files.items() if name.endswith((".safetensors", "config.json", ".xml"))
    }
    return verdicts.key_of(
        {
            "probe": PROBE_VERSION,
            "files": shaping,
            "precision": model.precision,
            "longest": longest,
            "library": openvino.get_version(),
            "processor": processor(),
        }
    )
