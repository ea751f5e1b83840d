"""Ordinary texts that an engine is tried with before it serves; their content does not matter."""

from __future__ import annotations

from typing import Final

PROBE_TEXTS: Final = (
    "The train was late again this morning, but I did not mind: the sun came out over the river.",
    "A stranger gave me half of her sandwich, and nobody could say why we had met at all!",
    "Still, dinner was good; the children laughed at a silly film, and now it is quiet. 10/10",
    "@someone my phone died twice today, worst purchase of 2024 :( http://example.com #fail",
)
