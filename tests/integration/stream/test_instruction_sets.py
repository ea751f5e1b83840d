"""On each instruction set of this machine, a row's answer is the same alone, padded and among neighbours.

A library picks its kernels by the processor, so a correct result on one can be wrong on the next: int8 was, with
AMX. oneDNN is limited by a variable that it reads once, hence a process for each set.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from shared.model_folder.artifact import open_artifact
from tests.support.tiny import claim_training, tiny_model, write_data
from trainer.data.readers import read_examples

if TYPE_CHECKING:
    from shared.model_folder.artifact import Artifact

NEEDED: Final = {
    "AVX2": {"avx2", "fma"},
    "AVX2_VNNI": {"avx_vnni"},
    "AVX512_CORE": {"avx512f", "avx512bw", "avx512dq", "avx512vl"},
    "AVX512_CORE_VNNI": {"avx512_vnni"},
    "AVX512_CORE_BF16": {"avx512_bf16"},
    "AVX512_CORE_FP16": {"avx512_fp16"},
    "AVX512_CORE_AMX": {"amx_tile", "amx_int8", "amx_bf16"},
    "AVX512_CORE_AMX_FP16": {"amx_fp16"},
    "DEFAULT": set[str](),
}
"""Flags of /proc/cpuinfo by the name of the set. Below AVX2, OpenVINO does not compile the graph."""
WITHOUT_BF16: Final = {"AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI"}
WITH_VNNI: Final = {"AVX512_CORE_VNNI", "AVX512_CORE_BF16"}
"""Sets with which int8 of the tiny model is always correct; without them, products are added in 16 bits."""


def flags() -> set[str]:
    """Flags of the first processor; empty if they are not known."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return next((set(line.split()) for line in lines if line.startswith("flags")), set())


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled texts."""
    return write_data(tmp_path_factory.mktemp("data") / "data.parquet", 1_200)


@pytest.fixture(scope="module")
def exported(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A tiny model with an int8 graph from the command line, made without a limit; nothing else is written."""
    home, folder = tmp_path_factory.mktemp("home"), tiny_model(tmp_path_factory.mktemp("exported") / "model")
    claim_training(folder, data)
    words = ("export", folder, "--precision", "int8", "--data", data, "--calibration-rows", "40")
    done = subprocess.run(
        [sys.executable, "-m", "trainer", *map(str, words)],
        env=os.environ | {"HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = open_artifact(folder)
    assert done.stdout.startswith("On 323 held-out rows int8 and fp32 agree on ")
    assert f"version {found.version}, now with int8" in done.stdout
    assert list(home.iterdir()) == []
    return found


_CHECK: Final = """
import json, sys
from pathlib import Path
import numpy as np
from shared.inference.engines.openvino import engine as openvino
from shared.inference.tokenization.rows import TokenRow
from shared.inference.tokenization.tokenise import Tokeniser
from shared.model_folder.artifact import open_artifact
from shared.inference.probe.examine import Untrusted
from shared.inference.engines.openvino.runtime import native_precision

artifact, texts = open_artifact(Path(sys.argv[1])), json.loads(sys.argv[2])
openvino.PROBE_TEXTS = tuple(texts[:8])
rows = [row.ids for row in Tokeniser.load(artifact).rows(texts) if isinstance(row, TokenRow)]
rows += [rows[0][:length] for length in range(3, len(rows[0]))]
order = np.random.default_rng(11).permutation(len(rows))
found = {}
for precision in dict.fromkeys(("fp32", native_precision(), "int8")):
    try:
        engine = openvino.load_engine(artifact, precision)
    except Untrusted as wrong:
        found[precision] = {"trusted": False, "why": str(wrong)}
        continue
    alone = np.concatenate([engine.forward([row]).logits for row in rows])
    together = np.empty_like(alone)
    for start in range(0, len(rows), 7):
        batch = order[start : start + 7]
        together[batch] = engine.forward([rows[row] for row in batch]).logits
    found[precision] = {
        "trusted": True,
        "name": engine.name,
        "apart": float(np.abs(together - alone).max() / np.ptp(alone)),
    }
print(json.dumps(found))
"""


@pytest.mark.parametrize("name", NEEDED)
def test_neighbours_do_not_matter_with_any_instruction_set(name: str, exported: Artifact, data: Path) -> None:
    """Given oneDNN limited to a set, when rows are scored alone and together, no trusted precision differs."""
    if not NEEDED[name] <= flags():
        pytest.skip(f"this CPU has no {name}")
    texts = [text[: 60 - index] for index, text in enumerate(read_examples(data).texts[:40])]
    done = subprocess.run(
        [sys.executable, "-c", _CHECK, str(exported.path), json.dumps(texts)],
        env=os.environ | {"ONEDNN_MAX_CPU_ISA": name, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr

    found = json.loads(done.stdout.splitlines()[-1])

    assert found["fp32"]["trusted"]
    assert ("bf16" in found) == (name not in WITHOUT_BF16 and "avx512_bf16" in flags())
    for precision, answer in found.items():
        if answer["trusted"]:
            assert answer["apart"] < (1e-4 if precision == "fp32" else 0.02), found
    if name in WITH_VNNI:
        assert all(answer["trusted"] for answer in found.values()), found
