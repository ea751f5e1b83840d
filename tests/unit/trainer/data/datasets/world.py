"""Small data sets in exactly the forms in which the public ones are published; all texts are made up."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

GOOD = ("good", "great", "happy")
BAD = ("bad", "awful", "sad")


def imdb_tree(folder: Path, rows: int = 4) -> Path:
    """The tree of aclImdb with as many reviews of each class in each part, and the other files in it."""
    root = folder / "aclImdb"
    for part, first in (("train", 0), ("test", 5_000)):
        for name, words, stars in (("pos", GOOD, 9), ("neg", BAD, 2)):
            (root / part / name).mkdir(parents=True)
            urls = "".join("http://www.imdb.com/title/tt0000001/usercomments\n" for _ in range(rows))
            (root / part / f"urls_{name}.txt").write_text(urls, encoding="utf-8")
            for number in range(rows):
                begin = f"A {words[number % 3]} film {part} {name} w{first + number}"
                text = f"{begin}.<br /><br />I saw caf\u00e9 w{first + number * 7}."
                (root / part / name / f"{number}_{stars}.txt").write_bytes(text.encode())
        (root / part / "labeledBow.feat").write_text("9 0:9 1:1\n", encoding="utf-8")
    (root / "train" / "unsup").mkdir()
    for number in range(3):
        (root / "train" / "unsup" / f"{number}_0.txt").write_text("A film without a label", encoding="utf-8")
    (root / "imdb.vocab").write_text("the\nand\n", encoding="utf-8")
    (root / "README").write_text("Large Movie Review Dataset v1.0\n", encoding="utf-8")
    return root


def tar_of(folder: Path, target: Path) -> Path:
    """Packs a folder as authors do: with its name as the first part of each path."""
    with tarfile.open(target, "w:gz") as archive:
        archive.add(folder, arcname=folder.name)
    return target


def zip_of(files: Mapping[str, bytes], target: Path) -> Path:
    """Packs files."""
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return target


def sentiment140_row(polarity: int, number: int, text: str, query: str = "NO_QUERY") -> list[str]:
    """One row, as published: six fields, each in quotes."""
    date = f"Mon Apr 06 22:{number // 60 % 60:02}:{number % 60:02} PDT 2009"
    return [str(polarity), str(1467810369 + number), date, query, f"user{number}", text]


def sentiment140_csv(rows: Sequence[Sequence[str]]) -> bytes:
    """A file as published: ISO 8859-1, all fields in quotes, no header."""
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode("latin-1")


def sentiment140_zip(target: Path, rows: int = 6) -> Path:
    """trainingandtestdata.zip: training rows first negative, then positive, and a test part with neutral rows."""
    training = [
        sentiment140_row(polarity, number, f"@friend {words[number % 3]} w{number} w{number * 3} caf\u00e9")
        for polarity, words, first in ((0, BAD, 0), (4, GOOD, 1))
        for number in range(first, 2 * rows, 2)  # the times of the two halves interleave, as in the original
    ]
    test = [
        sentiment140_row(4, 9000, 'he said "great" and left', "kindle2"),
        sentiment140_row(2, 9001, "it is a table", "kindle2"),
        sentiment140_row(0, 9002, "awful, truly awful", "aig"),
    ]
    return zip_of(
        {
            "training.1600000.processed.noemoticon.csv": sentiment140_csv(training),
            "testdata.manual.2009.06.14.csv": sentiment140_csv(test),
        },
        target,
    )


def tweeteval_folder(folder: Path) -> Path:
    """The folder `sentiment`: texts, numbers and their names."""
    folder.mkdir()
    (folder / "mapping.txt").write_text("0\tnegative\n1\tneutral\n2\tpositive\n", encoding="utf-8")
    for part in ("train", "val", "test"):
        texts = [f'"QT @user {part} so good \\u2019', f"{part} a table  ", f"{part} so bad"]
        (folder / f"{part}_text.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        (folder / f"{part}_labels.txt").write_text("2\n1\n0\n", encoding="utf-8")
    return folder


def sst2_zip(target: Path) -> Path:
    """SST-2.zip of GLUE: tab-separated, a blank behind each training phrase, a test part without labels."""
    files = {
        "SST-2/train.tsv": 'sentence\tlabel\nhide " new secretions \t0\na charming journey \t1\n',
        "SST-2/dev.tsv": "sentence\tlabel\nit 's a charming and often affecting journey . \t1\nbleak \t0\n",
        "SST-2/test.tsv": "index\tsentence\n0\tuneasy mishmash of styles\n",
    }
    return zip_of({name: text.encode() for name, text in files.items()}, target)


def class_csv(rows: Sequence[Sequence[object]]) -> bytes:
    r"""As Zhang et al. publish: all fields in quotes, quotes doubled, line breaks as \n, no header."""
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()


def json_lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """One object a line."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def yelp_review(stars: float, text: str, number: int = 0) -> dict[str, Any]:
    """A line of yelp_academic_dataset_review.json."""
    return {
        "review_id": f"KU_O5udG6zpxOg-VcAEod{number}",
        "user_id": "mh_-eMZ6K5RLWhZyISBhwA",
        "business_id": "XQfwVwDr-v0ZS3_CbbE5Xw",
        "stars": stars,
        "useful": 0,
        "funny": 0,
        "cool": 0,
        "text": text,
        "date": "2018-07-07 22:09:11",
    }


def amazon_review(rating: float, title: str, text: str) -> dict[str, Any]:
    """A line of a category of Amazon Reviews 2023."""
    return {
        "rating": rating,
        "title": title,
        "text": text,
        "images": [],
        "asin": "B00YQ6X8EO",
        "parent_asin": "B00YQ6X8EO",
        "user_id": "AGKHLEW2SOWHNMFQIJGBECAF7INQ",
        "timestamp": 1588687728923,
        "helpful_vote": 0,
        "verified_purchase": True,
    }
