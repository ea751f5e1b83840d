"""Each public data set is read from the form in which its authors published it, with its parts and its labels."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np
import pytest
from datasets import ClassLabel, Dataset
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InputDataError
from tests.unit.trainer.data.datasets import world
from trainer.data.datasets import PUBLISHED, Choice, find_dataset
from trainer.data.datasets.imdb import IMDB
from trainer.data.datasets.published import PublishedLoader
from trainer.data.datasets.sentiment140 import EMOTICON, without_emoticons
from trainer.data.labels.label_map import parse_label_map
from trainer.data.labels.rules import LabelRules

if TYPE_CHECKING:
    from pathlib import Path

    from trainer.data.examples import Examples


def load(name: str, place: Path, *, keep_emoticons: bool = False, label_map: str | None = None) -> Examples:
    """Reads published files with a cache next to them."""
    rules = LabelRules(label_map=parse_label_map(label_map)) if label_map else LabelRules()
    choice = Choice(place=place, keep_emoticons=keep_emoticons)
    return find_dataset(name, rules=rules, choice=choice).load(place.parent / "cache")


def rows(examples: Examples) -> list[tuple[str, str, str]]:
    """Part, label and text of each row."""
    parts = examples.parts or ("",) * len(examples)
    names = [examples.label_names[label] for label in examples.labels]
    return list(zip(parts, names, examples.texts, strict=True))


@pytest.mark.parametrize("form", ["folder", "parent", "archive"])
def test_imdb_is_read_from_its_tree_and_from_its_archive_alike(tmp_path: Path, form: str) -> None:
    """Two parts; reviews without a label are counted; HTML's line breaks become line breaks."""
    tree = world.imdb_tree(tmp_path / "unpacked")
    place = {"folder": tree, "parent": tree.parent}.get(form) or world.tar_of(tree, tmp_path / "aclImdb_v1.tar.gz")
    found = load("imdb", place)
    assert found.label_names == ("negative", "positive")
    assert found.counts() == {"negative": 8, "positive": 8}
    assert found.parts == ("train",) * 8 + ("test",) * 8
    assert found.ids[0] == "train/neg/0_2.txt"
    assert found.texts[0] == "A bad film train neg w0.\n\nI saw caf\u00e9 w0."
    assert (found.report.rows, found.report.left_out) == (19, {"in unsup, without a label": 3})


def test_imdb_of_the_hub_has_the_same_labels_and_parts(tmp_path: Path) -> None:
    """`neg` and `pos` are names of its numbers; its split without labels is not read."""
    place = tmp_path / "imdb"
    place.mkdir()
    names = "        names:\n          '0': neg\n          '1': pos\n"
    columns = "  - name: text\n    dtype: string\n  - name: label\n    dtype:\n      class_label:\n"
    card = f"dataset_info:\n  features:\n{columns}{names}"
    (place / "README.md").write_text(f"---\n{card}---\n", encoding="utf-8")
    for split, label in (("train", 0), ("test", 1), ("unsupervised", -1)):
        line = json.dumps({"text": f"A {split}<br />film", "label": label})
        (place / f"{split}.jsonl").write_text(f"{line}\n", encoding="utf-8")
    assert IMDB.hub is not None
    hub = replace(IMDB.hub, repository=place)
    found = PublishedLoader(replace(IMDB, hub=hub)).load(tmp_path / "cache")
    assert rows(found) == [("train", "negative", "A train\nfilm"), ("test", "positive", "A test\nfilm")]


@pytest.mark.parametrize(
    ("name", "fields", "names", "numbers", "labels"),
    [
        ("sst2", {"sentence": "TEXT"}, ["negative", "positive"], (0, 1), ("negative", "positive")),
        ("yelp-polarity", {"text": "TEXT"}, ["1", "2"], (0, 1), ("negative", "positive")),
        (
            "amazon-polarity",
            {"title": "TE", "content": "XT"},
            ["negative", "positive"],
            (0, 1),
            ("negative", "positive"),
        ),
        (
            "yelp-full",
            {"text": "TEXT"},
            ["1 star", "2 star", "3 stars", "4 stars", "5 stars"],
            (0, 1, 2, 3, 4),
            ("negative", "negative", "neutral", "positive", "positive"),
        ),
        (
            "sentiment140",
            {"text": "TEXT :)", "date": "Mon Apr 06 22:19:45 PDT 2009"},
            None,
            (0, 4),
            ("negative", "positive"),
        ),
    ],
)
def test_a_copy_on_the_hub_has_the_labels_of_the_published_files(
    *,
    tmp_path: Path,
    name: str,
    fields: dict[str, object],
    names: list[str] | None,
    numbers: tuple[int, ...],
    labels: tuple[str, ...],
) -> None:
    """The columns and the names of the numbers are those of the hub; the number 0 has another meaning there."""
    place = tmp_path / "copy"
    place.mkdir()
    hub = PUBLISHED[name].hub
    assert hub is not None
    label = hub.columns.label
    for split in hub.splits.values():
        table = Dataset.from_list([{**fields, "idx": number, label: number} for number in numbers])
        if names:
            table = table.cast_column(label, ClassLabel(names=names))
        table.to_parquet(place / f"{split}.parquet")
    copy = replace(PUBLISHED[name], hub=replace(hub, repository=place))
    found = PublishedLoader(copy).load(tmp_path / "cache")
    assert [found.label_names[one] for one in found.labels] == [*labels] * len(hub.splits)
    assert found.parts == tuple(part for part in hub.splits for _ in numbers)
    assert {text.split()[0] for text in found.texts} <= {"TEXT", "TE"}


def test_sentiment140_is_read_from_its_zip(tmp_path: Path) -> None:
    """ISO 8859-1, times with a zone, and neutral rows of the test part left out: none is trained on."""
    found = load("sentiment140", world.sentiment140_zip(tmp_path / "trainingandtestdata.zip"))
    assert found.label_names == ("negative", "positive")
    assert found.parts == ("train",) * 12 + ("test",) * 2
    assert found.texts[0] == "@friend bad w0 w0 caf\u00e9"
    assert found.texts[-2:] == ('he said "great" and left', "awful, truly awful")
    assert found.ids[0] == "1467810369"
    assert found.created_at is not None
    first = datetime(2009, 4, 7, 5, 0, tzinfo=UTC)  # 22:00 of the day before in California
    assert found.created_at[0] == int(first.timestamp() * 1000)
    assert found.report.left_out == {"of the test part, with a label that the training part does not have": 1}


def test_a_tweet_with_both_labels_is_left_out(tmp_path: Path) -> None:
    """It had both kinds of emoticons, and is there twice with the same id."""
    both = [world.sentiment140_row(polarity, 7, "a mixed day") for polarity in (0, 4)]
    others = [world.sentiment140_row(polarity, 8 + polarity, f"text {polarity}") for polarity in (0, 4)]
    file = tmp_path / "training.1600000.processed.noemoticon.csv"
    file.write_bytes(world.sentiment140_csv([*both, *others]))
    found = load("sentiment140", file)
    assert found.texts == ("text 0", "text 4")
    assert found.report.left_out == {
        "with annotators who disagree": 1,
        "merged with another row of the same id and text": 1,
    }


def test_the_test_part_of_sentiment140_alone_keeps_its_three_labels(tmp_path: Path) -> None:
    """Nothing says then that neutral is not trained on."""
    rows = [world.sentiment140_row(polarity, polarity, "text") for polarity in (0, 2, 4)]
    (tmp_path / "testdata.manual.2009.06.14.csv").write_bytes(world.sentiment140_csv(rows))
    found = load("sentiment140", tmp_path)
    assert found.label_names == ("negative", "neutral", "positive")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("so good:)", "so good "),
        ("so good:-) yes", "so good  yes"),
        ("so bad :(( really", "so bad  ( really"),
        ("ha :D =)", "ha    "),
        ("spaced : ) out", "spaced   out"),
        ("http://t.co/:D9", "http://t.co/:D9"),
        ("note: (see below)", "note: (see below)"),
        ("at 10:Don", "at 10:Don"),
        ("(a) list", "(a) list"),
    ],
)
def test_emoticons_that_gave_the_labels_are_removed(text: str, left: str) -> None:
    """Those of the paper, and nothing that only looks like one."""
    assert without_emoticons(text) == left


@given(st.text(alphabet=":-=)(D x", max_size=40))
def test_no_emoticon_is_left(text: str) -> None:
    """Removing one never makes another."""
    assert EMOTICON.search(without_emoticons(text)) is None


def test_emoticons_stay_if_they_are_to_be_kept_and_in_the_test_part(tmp_path: Path) -> None:
    """A text of nothing else is left out and counted."""
    training = [(4, "great :)"), (0, ":( "), (0, "bad :-(")]
    lines = [world.sentiment140_row(label, number, text) for number, (label, text) in enumerate(training)]
    test = [world.sentiment140_row(4, 9, "great :)")]
    place = world.zip_of(
        {
            "training.1600000.processed.noemoticon.csv": world.sentiment140_csv(lines),
            "testdata.manual.2009.06.14.csv": world.sentiment140_csv(test),
        },
        tmp_path / "data.zip",
    )
    found = load("sentiment140", place)
    assert [text.strip() for text in found.texts] == ["great", "bad", "great :)"]
    assert found.report.left_out == {"without a text once its emoticons are removed": 1}
    assert load("sentiment140", place, keep_emoticons=True).texts == ("great :)", ":( ", "bad :-(", "great :)")


def test_tweeteval_is_read_from_its_files(tmp_path: Path) -> None:
    """Three parts, texts as they are, numbers by their names."""
    found = load("tweeteval", world.tweeteval_folder(tmp_path / "sentiment"))
    assert found.parts == ("train",) * 3 + ("validation",) * 3 + ("test",) * 3
    assert rows(found)[0] == ("train", "positive", '"QT @user train so good \\u2019')
    assert rows(found)[4] == ("validation", "neutral", "val a table  ")


def test_a_part_of_tweeteval_without_labels_is_refused(tmp_path: Path) -> None:
    """The error names the file that is missing."""
    folder = world.tweeteval_folder(tmp_path / "sentiment")
    (folder / "val_labels.txt").unlink()
    with pytest.raises(InputDataError, match=r"has no val_labels\.txt"):
        load("tweeteval", folder)


def test_sst2_is_read_from_the_archive_of_glue(tmp_path: Path) -> None:
    """The published dev part is for validation; a quote is a character; the test part has no labels."""
    found = load("sst2", world.sst2_zip(tmp_path / "SST-2.zip"))
    assert [row[:2] for row in rows(found)] == [
        ("train", "negative"),
        ("train", "positive"),
        ("validation", "positive"),
        ("validation", "negative"),
    ]
    assert found.texts[0].strip() == 'hide " new secretions'


@pytest.mark.parametrize("name", ["yelp-polarity", "amazon-polarity"])
def test_reviews_in_two_classes_are_read_from_csv(tmp_path: Path, name: str) -> None:
    r"""Class 1 is negative; \n is a line break; a title begins the text."""
    title = ["A title"] if name.startswith("amazon") else []
    folder = tmp_path / f"{name}_csv"
    folder.mkdir()
    lines = [[1, *title, 'he said "no"\\nand left'], [2, *title, "so good"]]
    (folder / "train.csv").write_bytes(world.class_csv(lines))
    (folder / "test.csv").write_bytes(world.class_csv(lines[::-1]))
    (folder / "readme.txt").write_text("about", encoding="utf-8")
    found = load(name, world.tar_of(folder, tmp_path / "set.tgz"))
    begin = f"{title[0]} " if title else ""
    assert rows(found) == [
        ("train", "negative", f'{begin}he said "no"\nand left'),
        ("train", "positive", f"{begin}so good"),
        ("test", "positive", f"{begin}so good"),
        ("test", "negative", f'{begin}he said "no"\nand left'),
    ]


def test_stars_become_labels_by_the_stated_rule_or_by_the_users(tmp_path: Path) -> None:
    """1 and 2 negative, 3 neutral, 4 and 5 positive; a map of the user's own replaces the rule."""
    (tmp_path / "train.csv").write_bytes(world.class_csv([[stars, f"text {stars}"] for stars in range(1, 6)]))
    names = [row[1] for row in rows(load("yelp-full", tmp_path))]
    assert names == ["negative", "negative", "neutral", "positive", "positive"]
    five = load("yelp-full", tmp_path, label_map="1=1,2=2,3=3,4=4,5=5")
    assert five.label_names == ("1", "2", "3", "4", "5")
    own = load("yelp-full", tmp_path, label_map="1-3=bad,4-5=fine")
    assert [row[1] for row in rows(own)] == ["bad", "bad", "bad", "fine", "fine"]


def test_a_class_that_a_set_does_not_have_is_refused(tmp_path: Path) -> None:
    """Five classes are not those of a polarity set."""
    (tmp_path / "train.csv").write_bytes(world.class_csv([[stars, f"text {stars}"] for stars in range(1, 6)]))
    with pytest.raises(InputDataError, match="no part for the label"):
        load("yelp-polarity", tmp_path, label_map="1-1=negative,2-2=positive")


@pytest.mark.parametrize("form", ["file", "other name", "folder", "tar"])
def test_reviews_of_yelp_are_read_as_yelp_gives_them_out(tmp_path: Path, form: str) -> None:
    """JSON Lines in a file called .json, alone or next to the other files of the archive."""
    folder = tmp_path / "yelp"
    folder.mkdir()
    lines = world.json_lines([world.yelp_review(stars, f"text {stars}", int(stars)) for stars in (1.0, 3.0, 5.0)])
    name = "review.json" if form == "other name" else "yelp_academic_dataset_review.json"
    (folder / name).write_bytes(lines)
    (folder / "yelp_academic_dataset_business.json").write_bytes(world.json_lines([{"business_id": "x"}]))
    place = {"folder": folder, "tar": tmp_path / "yelp_dataset.tar"}.get(form, folder / name)
    if form == "tar":
        world.tar_of(folder, place)
    found = load("yelp-reviews", place)
    assert rows(found) == [
        ("train", "negative", "text 1.0"),
        ("train", "neutral", "text 3.0"),
        ("train", "positive", "text 5.0"),
    ]
    assert found.ids[0] == "KU_O5udG6zpxOg-VcAEod1"
    assert found.created_at is not None


def test_reviews_of_amazon_are_read_by_category(tmp_path: Path) -> None:
    """Title and text together, times in milliseconds; a review without a title is its text."""
    lines = [world.amazon_review(5.0, "Such a lovely scent", "I love it"), world.amazon_review(1.0, "", "Awful")]
    (tmp_path / "All_Beauty.jsonl").write_bytes(world.json_lines(lines))
    found = load("amazon-reviews", tmp_path / "All_Beauty.jsonl")
    assert rows(found) == [("train", "positive", "Such a lovely scent I love it"), ("train", "negative", "Awful")]
    assert found.created_at is not None
    assert np.array_equal(found.created_at, [1588687728923] * 2)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("imdb", r"holds no train/pos/0_9\.txt or the like"),
        ("sentiment140", r"holds none of the published files: training\.1600000"),
        ("sst2", r"holds none of the published files: train\.tsv, dev\.tsv"),
    ],
)
def test_a_folder_of_something_else_is_refused(tmp_path: Path, name: str, says: str) -> None:
    """The error names the files that are expected."""
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    with pytest.raises(InputDataError, match=says):
        load(name, tmp_path)


def test_a_file_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    """Nothing says which of the two is meant."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "train.tsv").write_text("sentence\tlabel\nx\t1\n", encoding="utf-8")
    with pytest.raises(InputDataError, match=r"holds one/train\.tsv and two/train\.tsv"):
        load("sst2", tmp_path)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    """One line, without a traceback of the library."""
    tree = world.imdb_tree(tmp_path / "tree", rows=30)
    place = world.tar_of(tree, tmp_path / "aclImdb_v1.tar.gz")
    place.write_bytes(place.read_bytes()[:-200])
    with pytest.raises(InputDataError, match="download it again"):
        load("imdb", place)


def test_a_hub_without_an_answer_is_answered_with_the_published_files(tmp_path: Path) -> None:
    """An empty copy is read as little as a hub that cannot be reached."""
    (tmp_path / "copy").mkdir()
    assert IMDB.hub is not None
    copy = replace(IMDB, hub=replace(IMDB.hub, repository=tmp_path / "copy"))
    with pytest.raises(InputDataError, match=r"; or fetch imdb --from PATH, where PATH is the folder aclImdb or "):
        PublishedLoader(copy).load(tmp_path / "cache")
