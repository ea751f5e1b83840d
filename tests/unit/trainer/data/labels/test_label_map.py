"""The language of `--label-map`: what it means, what it refuses, and that it prints as it is read."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.labels.label_map import Bin, LabelMap, parse_label_map
from trainer.data.labels.spelling import clean, is_name

WORDS = st.text(min_size=1, max_size=12).map(clean).filter(lambda word: bool(word) and is_name(word))
ENDS = st.decimals(-100, 100, places=2).map(lambda number: Decimal(clean(str(number))))


@st.composite
def label_maps(draw: st.DrawFn) -> LabelMap:
    """Maps with names for any labels, and ranges that do not overlap."""
    names = draw(st.dictionaries(WORDS, WORDS, max_size=4))
    ends = sorted(draw(st.sets(ENDS, max_size=8)))
    pairs = zip(ends[::2], ends[1::2], strict=False)
    bins = [Bin(low, high, draw(WORDS)) for low, high in pairs]
    if len(ends) % 2:
        bins.append(Bin(ends[-1], ends[-1], draw(WORDS)))
    return LabelMap(tuple(names.items()), tuple(bins))


@given(label_maps())
def test_a_map_prints_as_it_is_read(label_map: LabelMap) -> None:
    """Whatever characters labels and names hold; a label that reads like a number stays one."""
    if label_map != LabelMap():
        again = parse_label_map(str(label_map))
        assert str(again) == str(label_map)
        for label, name in label_map.names:
            assert again.find(label) == name
        for one in label_map.bins:
            assert again.find(clean(str(one.low))) in {one.name, label_map.find(clean(str(one.low)))}


@pytest.mark.parametrize(
    ("spec", "names"),
    [
        ("0=negative,4=positive", {"0": "negative", "4": "positive", "2": None, "x": None}),
        ("1-2=bad, 3 = so so ,4-5=good", {"1": "bad", "2": "bad", "3": "so so", "4.5": "good", "2.5": None}),
        (
            "-1--0.2=bad,-0.2-0.2=neutral,0.2-1=good",
            {"-0.2": "bad", "0": "neutral", "0.2": "neutral", "0.9": "good"},
        ),
        ("true=good,false=bad", {"true": "good", "false": "bad"}),
        ("True=good", {"true": "good"}),
        ("very good=good,`a,b`=c,`1-2`=d", {"very good": "good", "a,b": "c", "1-2": "d", "1": None}),
        ("4.0=good", {"4": "good"}),
        ("Positive=positive", {"Positive": "positive", "positive": None}),
    ],
)
def test_what_labels_become(spec: str, names: dict[str, str | None]) -> None:
    """Labels, numbers, ranges with both ends, negative ends, booleans, and labels in back-ticks."""
    label_map = parse_label_map(spec)
    assert {label: label_map.find(label) for label in names} == names


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("", "character 1"),
        ("positive", "character 1"),
        ("0=negative,", "after the last comma"),
        ("0=negative,,1=x", "character 12"),
        ("0=a=b", "character 1"),
        ("2-1=x", "ends before it begins"),
        ("1-3=a,2=b", "overlap"),
        ("1-3=a,3=b", "overlap"),
        ("1=a,1=b", "overlap"),
        ("x=a,x=b", "'x' has two names"),
        ("x=`a\nb`", "a control character"),
    ],
)
def test_what_is_refused(spec: str, says: str) -> None:
    """The error says where, or which parts do not fit together."""
    with pytest.raises(ValueError, match=says):
        parse_label_map(spec)


def test_a_number_that_no_part_is_for_is_known() -> None:
    """Only if the map is for numbers: a map that renames labels leaves the others as they are."""
    assert parse_label_map("0=negative").lacks("2")
    assert not parse_label_map("0=negative").lacks("other")
    assert not parse_label_map("a=b").lacks("2")
