"""The image is built from all that the wheel is made of, and the engine is sent all that the Dockerfile copies."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
COPY: Final = re.compile(r"^COPY (?!--from)(.+) \S+$", re.MULTILINE)
MOUNT: Final = re.compile(r"--mount=type=bind,source=(\S+?),")


def test_what_is_copied_is_sent_and_makes_the_wheel() -> None:
    """Given the packages of the wheel, when an image is built, then each is copied, and none is ignored."""
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = {*" ".join(COPY.findall(dockerfile)).split(), *MOUNT.findall(dockerfile)}
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"][
        "targets"
    ]
    packages = {name.partition("/")[0] for name in wheel["wheel"]["packages"]}
    assert copied == sent
    assert packages <= copied
