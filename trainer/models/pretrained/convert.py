"""`python -m trainer.models.pretrained.convert TASK …`: turns untrusted files into safe ones.

Runs in a process of its own with limits of memory and time, started by `conversion.py`. Task `weights` reads a
pickle of torch with `weights_only=True`, which makes tensors and plain containers and calls nothing else, and
writes safetensors. Task `tokenizer` reads the files of a slow tokenizer and writes tokenizer.json. Ends with exit
code 0, or prints one of REASONS and ends with 1.
"""

from __future__ import annotations

import pickle
import resource
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import torch

REASONS: Final = {
    "memory": "it needs more memory than the limit",
    "objects": "it holds objects other than tensors, which could run code when they are loaded",
    "unreadable": "it is not a file that torch.load can read",
    "not weights": "it is not a mapping of names to tensors",
    "no fast tokenizer": "transformers has no fast tokenizer for it",
    "tokenizer libraries": "its conversion needs libraries that are not installed here (sentencepiece, protobuf)",
    "unreadable tokenizer": "transformers cannot read its tokenizer",
}
"""What the process may print, with its meaning; never a part of the file."""

_NO_MEMORY: Final = "can't allocate memory"
"""In the message of the RuntimeError of torch."""
_STATUS: Final = Path("/proc/self/status")


class Refused(Exception):  # noqa: N818 - ends this process
    """The file is not converted; the message is a key of REASONS."""


def convert_weights(source: Path, target: Path) -> None:
    """Writes the tensors of a pickle as one safetensors file; raises Refused."""
    import torch  # noqa: PLC0415 - takes seconds, which the parent does not need
    from safetensors.torch import save_file  # noqa: PLC0415

    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise Refused("objects") from None
    except MemoryError:
        raise Refused("memory") from None
    except RuntimeError as error:
        raise Refused("memory" if _NO_MEMORY in str(error) else "unreadable") from None
    except (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise Refused("unreadable") from None
    try:
        save_file(_separate(content), target, metadata={"format": "pt"})
    except MemoryError:
        raise Refused("memory") from None
    except RuntimeError as error:
        if _NO_MEMORY not in str(error):
            raise
        raise Refused("memory") from None


def _separate(content: Any) -> dict[str, torch.Tensor]:
    """The tensors by name, each with its own memory: safetensors refuses those that share it."""
    import torch  # noqa: PLC0415

    if not isinstance(content, dict) or not content:
        raise Refused("not weights")
    if not all(isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in content.items()):
        raise Refused("not weights")
    return {name: value.detach().contiguous().clone() for name, value in content.items()}


def convert_tokenizer(source: Path, target: Path) -> None:
    """Writes the tokenizer of a model's folder as `save_pretrained` does, with tokenizer.json; raises Refused."""
    from transformers import AutoTokenizer  # noqa: PLC0415

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(source, trust_remote_code=False, local_files_only=True)
    except ImportError:
        raise Refused("tokenizer libraries") from None
    except Exception as error:  # noqa: BLE001 - the readers of vocabularies raise errors of any type
        libraries = any(name in str(error) for name in ("sentencepiece", "tiktoken", "protobuf"))
        raise Refused("tokenizer libraries" if libraries else "unreadable tokenizer") from None
    if not tokenizer.is_fast:
        raise Refused("no fast tokenizer")
    tokenizer.save_pretrained(target)


TASKS: Final = {"weights": convert_weights, "tokenizer": convert_tokenizer}


def limit(memory_bytes: int, cpu_s: int) -> None:
    """Limits this process: memory beyond what it has now, and processor time."""
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    # Not RLIMIT_AS: the libraries of torch for CUDA reserve many GiB of addresses that they never use.
    (line,) = (one for one in _STATUS.read_text().splitlines() if one.startswith("VmData:"))
    most = int(line.split()[1]) * 1024 + memory_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def main() -> None:
    """Converts one file, or one folder; see the module."""
    task, source, target, memory_bytes, cpu_s = sys.argv[1:]
    # Before the limit, which is for the file and not for libraries.
    import_module("torch" if task == "weights" else "transformers")
    limit(int(memory_bytes), int(cpu_s))
    try:
        TASKS[task](Path(source), Path(target))
    except Refused as reason:
        print(reason)  # noqa: T201 - read by conversion.py
        sys.exit(1)


if __name__ == "__main__":
    main()
