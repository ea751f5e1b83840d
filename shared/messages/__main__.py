"""`python -m shared.messages FOLDER`: writes the JSON Schemas of the messages."""

from __future__ import annotations

import sys
from pathlib import Path

from shared.messages.schemas import schemas

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for file_name, schema in schemas().items():
        (folder / file_name).write_text(schema, encoding="utf-8")
