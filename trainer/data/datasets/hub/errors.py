"""Says in one line what is wrong when a data set of the hub, or a folder in its layout, cannot be read.

The libraries raise errors of six families, some of which quote the data. No message here does.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from datasets.data_files import EmptyDatasetError
from datasets.exceptions import DataFilesNotFoundError, DatasetNotFoundError, DatasetsError
from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

# Their client, whichever module it is in this version. It is exported, but not in a way that mypy sees.
from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

from shared.errors import InputDataError

if TYPE_CHECKING:
    from collections.abc import Iterator

EXPECTED: Final = (OSError, ValueError, RuntimeError, DatasetsError, pa.ArrowException, httpx.HTTPError)

_WAYS_OUT: Final = (
    "three ways out: let this machine reach the hub (HF_HUB_OFFLINE unset), give --revision a commit that was "
    "fetched before, or copy the data set here and fetch it as hf:./FOLDER"
)


@contextmanager
def explained(name: str, *, on_hub: bool) -> Iterator[None]:
    """Turns an expected error into an InputDataError that says what to do."""
    try:
        yield
    except EXPECTED as error:
        why = _why(error, on_hub=on_hub)
        if why is None:
            raise
        raise InputDataError(f"cannot read {name}: {why}") from None


def _why(error: Exception, *, on_hub: bool) -> str | None:
    if isinstance(error, RepositoryNotFoundError):
        return (
            "the hub has no such data set, or does not show it to you; a private or gated one needs a token "
            "(`hf auth login`, or HF_TOKEN)"
        )
    if isinstance(error, RevisionNotFoundError):
        return "it has no such --revision; give a commit, a tag or a branch of it"
    if isinstance(error, DatasetNotFoundError):
        return _first_lines(error, 1)
    if isinstance(error, (DataFilesNotFoundError, EmptyDatasetError)):
        return "it holds no files of data that can be read (CSV, JSON, Parquet or Arrow)"
    if isinstance(error, (DatasetsError, pa.ArrowException)):
        kinds = [type(one).__name__ for one in (error, error.__cause__) if one is not None]
        return f"its files do not make one table ({', '.join(kinds)}); all need the same columns and types"
    if isinstance(error, RuntimeError):
        return _script(error)
    if isinstance(error, ValueError):
        reason = _first_lines(error, 2)
        return f"{reason}; choose with --subset" if "config" in reason.lower() else reason
    reason = _first_lines(error, 1)
    return f"{reason} - {_WAYS_OUT}" if on_hub else reason


def _script(error: RuntimeError) -> str | None:
    if "scripts are no longer supported" not in str(error):
        return None
    return (
        "it is made by a script, and no code of a data set is run; the hub keeps a copy of many as Parquet: "
        "--revision refs/convert/parquet"
    )


def _first_lines(error: Exception, count: int) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:count]) or type(error).__name__
