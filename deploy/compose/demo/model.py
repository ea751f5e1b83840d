"""Writes the model that counts words into the folder that is named, unless there is one."""

import sys
from pathlib import Path

from sentiment_testing.model import make_model

folder = Path(sys.argv[1])
if folder.exists():
    print(f"kept: {folder}")
else:
    print(f"written: {make_model(folder)}, which counts words; train your own: docs/containers.md")
