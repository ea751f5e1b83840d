"""The rated tweets are read out of the release that holds them."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from trainer.data.datasets.vader_tweets import read_vader_tweets

if TYPE_CHECKING:
    from pathlib import Path


def archive_of(name: str, content: bytes) -> bytes:
    """A .tar.gz with one file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def test_rated_tweets_become_three_labels(tmp_path: Path) -> None:
    """A mean rating of 0.5 is a sentiment, one of 0.49 is not; lines end in CR LF."""
    lines = b"1\t0.5\tgood one\r\n2\t-0.49\tso so\r\n3\t-3.9\tawful &amp; sad\r\n"
    inner = archive_of("hutto_ICWSM_2014/tweets_GroundTruth.txt", lines)
    outer = archive_of("vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz", inner)
    (tmp_path / "v.tar.gz").write_bytes(outer)
    found = read_vader_tweets(tmp_path / "v.tar.gz", "vader-tweets")
    assert found.texts == ("good one", "so so", "awful &amp; sad")
    assert [found.label_names[label] for label in found.labels] == ["positive", "neutral", "negative"]
    assert found.ids == ("vader-tweets-1", "vader-tweets-2", "vader-tweets-3")
