"""Runs the suite on a sealed model, with the serving code."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import structlog

from trainer.evaluation.behaviour.polarity import in_order, unsupported
from trainer.evaluation.behaviour.results import (
    EXAMPLES,
    Behaviour,
    BehaviourTestResult,
    CapabilityResult,
    Failure,
    capability_result,
)
from trainer.evaluation.behaviour.rules import Answers, applies, failed
from trainer.evaluation.behaviour.suite import sentences, suite, suite_version
from trainer.evaluation.serving import serve

if TYPE_CHECKING:
    from shared.inference.engines.select import Precision
    from shared.model_folder.artifact import Artifact
    from trainer.evaluation.behaviour.cases import BehaviourTest, Capability
    from trainer.evaluation.serving import Served

log = structlog.get_logger()


def measure_behaviour(artifact: Artifact, *, device: str, precision: Precision) -> Behaviour:
    """The failure rates of a model; `skipped` says why there are none. Raises what `serve` raises."""
    texts, labels = sentences(), artifact.manifest.labels
    polarity = in_order(labels, artifact.manifest.polarity)
    if polarity is None:
        reason = unsupported(labels)
        log.warning("behaviour_suite_skipped", reason=reason)
        return Behaviour(suite=suite_version(), sentences=len(texts), engine="", skipped=reason)
    served = serve(artifact, texts, device=device, precision=precision)
    judge = _Judge(served, polarity, labels, texts)
    found = {one.name: judge.capability(one) for one in suite()}
    return Behaviour(
        suite=suite_version(),
        sentences=len(texts),
        engine=served.engine,
        capabilities={name: result for name, result in found.items() if result is not None},
    )


class _Judge:
    """Applies the rules to the answers of one model."""

    def __init__(
        self, served: Served, polarity: tuple[int, ...], labels: tuple[str, ...], texts: tuple[str, ...]
    ) -> None:
        self._answers = Answers(served.labels, served.probabilities, polarity)
        self._labels = labels
        self._row_of = {texts[text]: row for row, text in enumerate(served.rows.tolist())}

    def capability(self, capability: Capability) -> CapabilityResult | None:
        """The result of one capability; None if no case can be tested."""
        left_out: Counter[str] = Counter()
        tests = {}
        for test in capability.tests:
            if not applies(test, self._answers.polarity):
                left_out["the model has no neutral label"] += len(test.cases)
            elif result := self._test(test, left_out):
                tests[test.name] = result
        return capability_result(tests, dict(left_out))

    def _test(self, test: BehaviourTest, left_out: Counter[str]) -> BehaviourTestResult | None:
        cases = [case for case in test.cases if all(text in self._row_of for text in case)]
        if unscored := len(test.cases) - len(cases):
            left_out["a text without a score"] += unscored
        if not cases:
            return None
        failures = [case for case in cases if failed(test, self._of(case))]
        return BehaviourTestResult(
            kind=test.kind,
            cases=len(cases),
            failures=len(failures),
            examples=[self._example(test, case) for case in failures[:EXAMPLES]],
        )

    def _of(self, texts: tuple[str, ...]) -> Answers:
        return self._answers.of([self._row_of[text] for text in texts])

    def _example(self, test: BehaviourTest, case: tuple[str, ...]) -> Failure:
        """The two texts of a case that contradict each other, or its only one."""
        shown = case
        if test.kind == "INV":
            pairs = ((first, second) for first in case for second in case)
            shown = next(pair for pair in pairs if failed(test, self._of(pair)))
        chosen = np.take(np.array(self._labels), self._of(shown).labels)
        return Failure(texts=list(shown), labels=chosen.tolist())
