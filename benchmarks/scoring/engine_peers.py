"""The same model on other engines: text in, probabilities out, written as their users would write it.

All except the pipeline tokenise all texts at once, sort them by length and run batches of 32, each padded to its
longest row. Each returns probabilities `[texts, labels]`, fp32 on the host, in input order.
"""

from __future__ import annotations

import inspect
import warnings
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import torch
import transformers
from numpy.typing import NDArray

from benchmarks.common.measure import WORK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

BATCH: Final = 32
Probabilities = NDArray[np.float32]
Predict: TypeAlias = "Callable[[Sequence[str]], Probabilities]"


def one_at_a_time(model: Path) -> Predict:
    """The reference for answers: fp32, no padding, no neighbours."""
    tokenizer, classifier = _load(model)

    @torch.inference_mode()
    def predict(texts: Sequence[str]) -> Probabilities:
        rows = [classifier(**tokenizer(text, truncation=True, return_tensors="pt")).logits for text in texts]
        return _softmax(torch.cat(rows).float().cpu().numpy())

    return predict


def pipeline(model: Path, batch: int) -> Predict:
    """The Hugging Face pipeline."""
    classify: Any = transformers.pipeline("text-classification", str(model), top_k=None)
    order = classify.model.config.label2id

    def predict(texts: Sequence[str]) -> Probabilities:
        answers = np.empty((len(texts), len(order)), dtype=np.float32)
        for row, answer in zip(answers, classify(list(texts), batch_size=batch, truncation=True), strict=True):
            for label in answer:
                row[order[label["label"]]] = label["score"]
        return answers

    return predict


def torch_sorted(model: Path) -> Predict:
    """Plain PyTorch in a loop that sorts by length."""
    tokenizer, classifier = _load(model)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    classifier.to(device)

    @torch.inference_mode()
    def forward(inputs: Mapping[str, Any]) -> Probabilities:
        tensors = {name: torch.from_numpy(values).to(device) for name, values in inputs.items()}
        logits: Probabilities = classifier(**tensors).logits.float().cpu().numpy()
        return logits

    return _sorted(tokenizer, forward)


def onnx_runtime(model: Path, *, int8: bool) -> Predict:
    """ONNX Runtime on torch's export; int8 as its documentation says: pre-processed, dynamic, per channel."""
    import onnxruntime  # noqa: PLC0415 - of the extra `bench`

    tokenizer, classifier = _load(model)
    path = _exported(model, tokenizer, classifier)
    if int8:
        path = _quantised(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return _sorted(tokenizer, lambda inputs: session.run(["logits"], dict(inputs))[0])


def openvino_converted(model: Path) -> Predict:
    """OpenVINO on its own conversion of the Hugging Face model, with the hint that optimum-intel gives.

    optimum-intel does the same internally, but does not run with this version of transformers. OpenVINO chooses
    the precision: bfloat16 if the processor supports it.
    """
    import openvino  # noqa: PLC0415 - of the extra `bench`

    tokenizer, classifier = _load(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        converted = openvino.convert_model(classifier, example_input=_example(tokenizer))
    compiled = openvino.compile_model(converted, "CPU", {"PERFORMANCE_HINT": "LATENCY"})
    return _sorted(tokenizer, lambda inputs: compiled(dict(inputs))[0])


def _load(model: Path) -> tuple[Any, Any]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    return tokenizer, transformers.AutoModelForSequenceClassification.from_pretrained(model).eval()


def _sorted(tokenizer: Any, forward: Callable[[Mapping[str, Any]], Any]) -> Predict:
    def predict(texts: Sequence[str]) -> Probabilities:
        encoded = tokenizer(list(texts), truncation=True)
        order = sorted(range(len(texts)), key=lambda index: len(encoded["input_ids"][index]), reverse=True)
        answers: list[Any] = [None] * len(texts)
        for start in range(0, len(order), BATCH):
            indices = order[start : start + BATCH]
            rows = {name: [values[index] for index in indices] for name, values in encoded.items()}
            batch = tokenizer.pad(rows, return_tensors="np")
            for index, logits in zip(indices, forward(batch), strict=True):
                answers[index] = logits
        return _softmax(np.stack(answers))

    return predict


def _softmax(logits: NDArray[np.float32]) -> Probabilities:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Probabilities = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _example(tokenizer: Any) -> dict[str, Any]:
    return dict(tokenizer(["an example", "and another one"], padding=True, return_tensors="pt"))


def _exported(model: Path, tokenizer: Any, classifier: Any) -> Path:
    path = WORK / "onnx" / f"{model.name}.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    known = _example(tokenizer)
    # This exporter names inputs by their position in `forward`, whatever the order of the example.
    example = {name: known[name] for name in inspect.signature(classifier.forward).parameters if name in known}
    dynamic = {name: {0: "rows", 1: "tokens"} for name in example}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            classifier,
            (example,),
            str(path),
            input_names=list(example),
            output_names=["logits"],
            dynamic_axes={**dynamic, "logits": {0: "rows"}},
            dynamo=False,
        )
    return path


def _quantised(path: Path) -> Path:
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415
    from onnxruntime.quantization.shape_inference import quant_pre_process  # noqa: PLC0415

    prepared, quantised = path.with_suffix(".prepared.onnx"), path.with_suffix(".int8.onnx")
    # Its symbolic shape inference stops at an operator of this export; the optimiser does not need it.
    quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
    quantize_dynamic(str(prepared), str(quantised), per_channel=True, weight_type=QuantType.QInt8)
    return quantised
