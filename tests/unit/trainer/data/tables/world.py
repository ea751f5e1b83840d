"""Files as programs and public data sets have them, small, with invented texts: the table of docs/formats.md."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping

POS, NEG = "a fine film", "dull, and long"
"""Two texts; the second needs quotes in CSV."""
ROWS = [(POS, "pos"), (NEG, "neg")]


@dataclass(frozen=True, slots=True)
class Case:
    """One input of the world, and what happens."""

    title: str
    source: str
    files: Mapping[str, bytes]
    """The first is given as --data, or its first folder if it has one."""
    rows: list[tuple[Any, Any]] = field(default_factory=list)
    """Texts and labels that are read; none: it is refused."""
    words: str = ""
    """What was read as, or the words of the refusal."""
    settings: Mapping[str, str] = field(default_factory=dict)
    labels: str | None = None
    """The file that is given as --labels."""

    def line(self) -> str:
        """The line of the table."""
        options = " ".join(
            f"`--{name.replace('_', '-')} {_shell(value)}`" for name, value in self.settings.items()
        )
        if self.labels:
            options = f"`--labels {self.labels}`"
        outcome = ("read" if not options else f"read with {options}") if self.rows else "refused"
        if not self.rows and options:
            outcome = f"refused with {options}"
        return f"| {self.title} | {self.source} | {outcome}: {self.words.replace('|', chr(92) + '|')} |"


def _shell(value: str) -> str:
    return value if value.replace(",", "").replace("_", "").replace(".", "").isalnum() else f"'{value}'"


def _lines(*rows: str, end: str = "\n") -> bytes:
    return "".join(row + end for row in rows).encode()


def _json_lines(*rows: dict[str, Any]) -> bytes:
    return _lines(*map(json.dumps, rows))


def _zip(**files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "."), content)
    return made.getvalue()


def _tar_gz(content: bytes) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        info = tarfile.TarInfo("data.csv")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def _zstd(content: bytes) -> bytes:
    made = pa.BufferOutputStream()
    with pa.CompressedOutputStream(made, "zstd") as stream:
        stream.write(content)
    return bytes(made.getvalue().to_pybytes())


def _arrow() -> bytes:
    table, made = pa.table({"text": [POS], "label": ["pos"]}), pa.BufferOutputStream()
    with pa.ipc.new_stream(made, table.schema) as writer:
        writer.write_table(table)
    return bytes(made.getvalue().to_pybytes())


def _parquet(rows: dict[str, list[Any]]) -> bytes:
    made = io.BytesIO()
    pd.DataFrame(rows).to_parquet(made)
    return made.getvalue()


_CSV = _lines("text,label", f"{POS},pos", f'"{NEG}",neg')
_OBJECTS = [{"text": text, "label": label} for text, label in ROWS]
_RUSSIAN = "Отличный фильм, очень понравился, всем рекомендую"
_CHINESE = "这家酒店非常好 下次还会再来"

CASES = (
    # Data sets
    Case(
        "TweetEval: one text a line, one number a line, `mapping.txt`",
        "cardiffnlp/tweeteval",
        {
            "train_text.txt": _lines(POS, NEG),
            "train_labels.txt": _lines("2", "0"),
            "mapping.txt": _lines("0\tnegative", "2\tpositive"),
        },
        [(POS, "positive"), (NEG, "negative")],
        "texts and labels, one a line, UTF-8, names from mapping.txt",
        labels="train_labels.txt",
    ),
    Case(
        "TweetEval's texts without the labels",
        "cardiffnlp/tweeteval",
        {"train_text.txt": _lines(POS, NEG)},
        words="give their labels with --labels",
    ),
    Case(
        "Amazon reviews of fastText, `train.ft.txt.bz2`",
        "facebookresearch/fastText, Kaggle bittlingmayer/amazonreviews",
        {"train.ft.txt.bz2": bz2.compress(_lines(f"__label__2 {POS}", f"__label__1 {NEG}"))},
        [(POS, "2"), (NEG, "1")],
        "fastText, UTF-8",
    ),
    Case(
        "Large Movie Review Dataset, folder `train`",
        "ai.stanford.edu/~amaas/data/sentiment (aclImdb)",
        {
            "train/neg/0_2.txt": NEG.encode(),
            "train/pos/0_9.txt": POS.encode(),
            "train/unsup/0_0.txt": b"not rated",
            "train/labeledBow.feat": b"9 0:9\n",
        },
        [(NEG, "neg"), (POS, "pos"), ("not rated", None)],
        "text files by class (neg 1, pos 1, unsup 1), UTF-8",
    ),
    Case(
        "Large Movie Review Dataset, the whole folder",
        "ai.stanford.edu/~amaas/data/sentiment (aclImdb)",
        {f"aclImdb/{part}/{name}/0_1.txt": POS.encode() for part in ("train", "test") for name in ("pos", "neg")},
        words="folders of texts by class at several places: test, train; give one of them",
    ),
    Case(
        "20 Newsgroups: folders by class, files without suffix, ISO 8859-1",
        "qwone.com/~jason/20Newsgroups, scikit-learn's load_files",
        {"news/neg/101": NEG.encode(), "news/pos/102": "très bien".encode("latin-1")},
        [(NEG, "neg"), ("très bien", "pos")],
        "text files by class (neg 1, pos 1), ISO 8859-1",
    ),
    Case(
        "SemEval 2017 task 4: tabs, no header, quotes that are part of texts",
        "cbaziotis/datastories-semeval2017-task4",
        {"twitter-2016train-A.txt": _lines('1\tpositive\t"so good', f'2\tnegative\the said "{NEG}" twice')},
        [('"so good', "positive"), (f'he said "{NEG}" twice', "negative")],
        "CSV, tab, quote none, UTF-8, no header",
        {"columns": "id,label,text"},
    ),
    Case(
        "SST-2 of GLUE, `train.tsv`",
        "gluebenchmark.com",
        {"train.tsv": _lines("sentence\tlabel", f"{POS}\t1", f"{NEG}\t0")},
        [(POS, "1"), (NEG, "0")],
        "CSV, tab, UTF-8, header",
        {"text_column": "sentence"},
    ),
    Case(
        "Yelp review polarity: all quoted, no header",
        "zhangxiangxiao/Crepe",
        {"train.csv": _lines(f'"2","{POS}\\nreally"', f'"1","{NEG} ""so"""')},
        [(f"{POS}\\nreally", "2"), (f'{NEG} "so"', "1")],
        "CSV, ',', UTF-8, no header",
        {"columns": "label,text"},
    ),
    Case(
        "Amazon product reviews, gzip, named `.json`",
        "jmcauley.ucsd.edu/data/amazon",
        {"reviews.json.gz": gzip.compress(_json_lines(*[{"reviewText": POS, "overall": 5.0}] * 2))},
        [(POS, 5.0)] * 2,
        "JSON Lines, UTF-8",
        {"text_column": "reviewText", "label_column": "overall"},
    ),
    Case(
        "The older Amazon files: Python's dicts, not JSON",
        "jmcauley.ucsd.edu/data/amazon/links.html",
        {"reviews.json": _lines("{'reviewText': 'secret', 'overall': 5.0}")},
        words="line 1, column 2: not JSON: Expecting property name enclosed in double quotes",
        settings={"data_format": "json"},
    ),
    Case(
        "Twitter US Airline Sentiment, `Tweets.csv`: texts of several lines",
        "Kaggle crowdflower/twitter-airline-sentiment",
        {
            "Tweets.csv": _lines(
                "tweet_id,airline_sentiment,text", '1,neutral,"@v what\nsaid ""x"""', f"2,positive,{POS}"
            )
        },
        [('@v what\nsaid "x"', "neutral"), (POS, "positive")],
        "CSV, ',', UTF-8, header",
        {"label_column": "airline_sentiment"},
    ),
    Case(
        "Reddit dumps, zstd",
        "pushshift/api, ArthurHeitmann/arctic_shift",
        {"RC_2012-01.zst": _zstd(_json_lines(*[{"body": POS, "score": 3}] * 2))},
        [(POS, 3)] * 2,
        "JSON Lines, UTF-8",
        {"text_column": "body", "label_column": "score"},
    ),
    Case(
        "RuTweetCorp, `positive.csv`: semicolons, all quoted, no header",
        "study.mokoron.com, Y. Rubtsova",
        {"positive.csv": _lines(f'"1";"user";"{_RUSSIAN}; да";"1"', f'"2";"user";"{_RUSSIAN}";"1"')},
        [(f"{_RUSSIAN}; да", "1"), (_RUSSIAN, "1")],
        "CSV, ';', UTF-8, no header",
        {"columns": "id,user,text,label"},
    ),
    Case(
        "Russian in Windows-1251",
        "modin-project/modin#976",
        {"open.csv": ("text;label\n" + f"{_RUSSIAN};1\n" * 20).encode("cp1251")},
        words="say which encoding it is with --encoding",
    ),
    Case(
        "Chinese in GB 18030",
        "LazyAGI/LazyLLM#1176",
        {"hotel.csv": ("label,text\n" + f"1,{_CHINESE}\n" * 2).encode("gb18030")},
        [(_CHINESE, "1")] * 2,
        "CSV, ',', GB18030, header",
        {"encoding": "gb18030"},
    ),
    Case(
        "MovieLens: `::` between fields",
        "files.grouplens.org/datasets/movielens",
        {"ratings.dat": _lines("1::1193::5::978300760")},
        words="trainer.delimiter: one character, such as ';', or the word tab",
        settings={"delimiter": "::", "columns": "id,item,label,time"},
    ),
    # What programs write
    Case(
        "R, `write.csv`: row names without a name",
        "R, utils::write.table",
        {"reviews.csv": _lines('"","text","label"', f'"1","{POS}","pos"', f'"2","{NEG}",NA')},
        [(POS, "pos"), (NEG, "NA")],
        "CSV, ',', UTF-8, header, 1 column without a name left out",
    ),
    Case(
        "R, `write.table`: a header without the column of row names",
        "R, utils::write.table",
        {"reviews.csv": _lines('"text","label"', f'"1","{POS}","pos"')},
        words="line 2, column 19: not 2 fields as in the header but 3",
    ),
    Case(
        "the same, with all columns named",
        "R, utils::write.table",
        {"reviews.csv": _lines(f'"1","{POS}","pos"')},
        [(POS, "pos")],
        "CSV, ',', UTF-8, no header",
        {"columns": "id,text,label"},
    ),
    Case(
        "MySQL, `SELECT … INTO OUTFILE`: tabs, `\\\\N` and escapes stay as they are",
        "dev.mysql.com, SELECT … INTO Statement",
        {"reviews.txt": _lines(f"{POS}\\nreally\tpos", f"{NEG}\t\\N")},
        [(f"{POS}\\nreally", "pos"), (NEG, "\\N")],
        "CSV, tab, UTF-8, no header",
        {"columns": "text,label"},
    ),
    Case(
        "old Excel for Mac: lines end in a carriage return",
        "WarrenWilkinson/read-csv#7",
        {"mac.csv": _lines("text;label", f"{POS};pos", f"{NEG};neg", end="\r")},
        ROWS,
        "CSV, ';', UTF-8, header",
    ),
    Case(
        "a space behind each comma",
        "BurntSushi/rust-csv#337",
        {"spaces.csv": _lines('"text", "label"', f'"{POS}", "pos"', f'"{NEG}", "neg"')},
        ROWS,
        "CSV, ', ', UTF-8, header",
    ),
    Case(
        "UTF-16 without a byte order mark",
        "PowerShell/PowerShell#9268",
        {"export.csv": _CSV.decode().encode("utf-16-le")},
        ROWS,
        "CSV, ',', UTF-16-LE, header",
    ),
    Case(
        "Hive's text files: fields end in \\x01",
        "Apache Hive, LanguageManual DDL",
        {"000000_0": _lines(f"{POS}\x01pos", f"{NEG}\x01neg")},
        ROWS,
        "CSV, \\x01, UTF-8, no header",
        {"columns": "text,label"},
    ),
    Case(
        "Spark's folder of CSV without header, `_SUCCESS` and `.crc` files",
        "Apache Spark, DataFrameWriter.csv",
        {
            "out/part-00000.csv": _lines(f"{POS},pos"),
            "out/part-00001.csv": _lines(f'"{NEG} \\"so\\"",neg'),
            "out/_SUCCESS": b"",
            "out/.part-00000.csv.crc": b"crc\0\0",
        },
        [(POS, "pos"), (f'{NEG} "so"', "neg")],
        "CSV, ',', escape quoted:\\, UTF-8, no header",
        {"columns": "text,label", "escape": "quoted:\\"},
    ),
    Case(
        "Kafka Connect's S3 sink, JSON in gzip",
        "confluentinc/kafka-connect-storage-cloud",
        {
            f"texts/partition={partition}/texts+{partition}+0000000000.json.gz": gzip.compress(
                _json_lines(row, row)
            )
            for partition, row in enumerate(_OBJECTS)
        },
        [ROWS[0], ROWS[0], ROWS[1], ROWS[1]],
        "JSON Lines, UTF-8",
    ),
    Case(
        "Kafka Connect's S3 sink, Avro",
        "confluentinc/kafka-connect-storage-cloud",
        {"texts/partition=0/texts+0+0000000000.avro": b"Obj\x01\x04\x14avro.codec"},
        words="is an Avro file; have it written as JSON or Parquet (Kafka Connect: format.class)",
    ),
    Case(
        "parts of Parquet that differ in columns and types",
        "duckdb/duckdb#15600",
        {
            "lake/part-0.parquet": _parquet({"text": [POS], "label": [1]}),
            "lake/part-1.parquet": _parquet({"lang": ["en"], "text": [NEG], "label": ["neg"]}),
            "lake/part-2.parquet": _parquet({"text": ["unrated"]}),
        },
        [(POS, 1), (NEG, "neg"), ("unrated", None)],
        "Parquet, 3 files",
    ),
    Case(
        "Twitter API v2, one answer: the rows are at `data`",
        "twitterdev/Twitter-API-v2-sample-code",
        {"answer.json": json.dumps({"data": _OBJECTS, "meta": {"result_count": 2}}, indent=2).encode()},
        ROWS,
        "JSON, the array at data, UTF-8",
    ),
    Case(
        "Elasticsearch's answer of `_search`",
        "elastic/elasticsearch, search API",
        {"hits.json": json.dumps({"took": 1, "hits": {"total": 1, "hits": [{"_source": _OBJECTS[0]}]}}).encode()},
        words="no column 'text'",
    ),
    Case(
        "elasticdump",
        "elasticsearch-dump/elasticsearch-dump",
        {"dump.json": _json_lines(*({"_id": "1", "_source": row} for row in _OBJECTS))},
        ROWS,
        "JSON Lines, UTF-8",
        {"text_column": "_source.text", "label_column": "_source.label"},
    ),
    Case(
        '`mongoexport --jsonArray --pretty`, `{"$oid": …}` as id',
        "mongodb/mongo-tools",
        {"reviews.json": json.dumps([{"_id": {"$oid": "5f"}} | row for row in _OBJECTS], indent=1).encode()},
        ROWS,
        "JSON, an array, UTF-8",
        {"id_column": "_id.$oid"},
    ),
    Case(
        "jq's output: objects over several lines, one after another",
        "jqlang/jq",
        {"out.json": "\n".join(json.dumps(row, indent=2) for row in _OBJECTS).encode()},
        ROWS,
        "JSON, UTF-8",
    ),
    Case(
        "JSON Lines with a comma behind each line",
        "projectdiscovery/nuclei#5860",
        {"commas.jsonl": _lines(*(json.dumps(row) + "," for row in _OBJECTS))},
        words="line 1, column 40: not JSON: Expecting value",
        settings={"data_format": "json"},
    ),
    Case(
        "pandas, `to_json()` by columns",
        "pandas-dev/pandas, DataFrame.to_json",
        {"frame.json": pd.DataFrame(_OBJECTS).to_json().encode()},
        words="holds columns, as pandas writes them; write rows: to_json(orient='records', lines=True)",
    ),
    # What is given by mistake
    Case(
        "zip of one CSV, as Kaggle gives it",
        "Kaggle",
        {"archive.zip": _zip(**{"Reviews.csv": _CSV, "__MACOSX/._Reviews.csv": b"x"})},
        ROWS,
        "CSV, ',', UTF-8, header",
    ),
    Case(
        "zip of several files",
        "Kaggle",
        {"archive.zip": _zip(**{"a.csv": _CSV, "b.csv": _CSV})},
        words="is a zip archive of 2 files; unpack it and give the file",
    ),
    Case(
        "xz",
        "tukaani-project/xz",
        {"reviews.csv.xz": lzma.compress(_CSV)},
        ROWS,
        "CSV, ',', UTF-8, header",
    ),
    Case(
        "an Excel workbook",
        "ECMA-376",
        {"reviews.xlsx": _zip(**{"[Content_Types].xml": b"<Types/>", "xl/workbook.xml": b"<x/>"})},
        words="is an Excel workbook; save it as CSV UTF-8",
    ),
    Case("a tar archive", "GNU tar", {"reviews.tar.gz": _tar_gz(_CSV)}, words="is a tar archive; unpack it"),
    Case(
        "a pointer of Git LFS in place of the data",
        "git-lfs/git-lfs, docs/spec.md",
        {"train.csv": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12\n"},
        words="is a pointer of Git LFS, not the data; run git lfs pull",
    ),
    Case(
        "a web page in place of the data",
        "huggingface/datasets#3786 (Google Drive's warning)",
        {"train.csv": b"<!DOCTYPE html><html>"},
        words="is a web page, not the data",
    ),
    Case(
        "a data set of the hub saved with `save_to_disk`",
        "huggingface/datasets",
        {"data-00000-of-00001.arrow": _arrow()},
        words="is an Arrow stream; write it as Parquet (datasets: Dataset.to_parquet)",
    ),
    Case(
        "a pickle of pandas",
        "pandas-dev/pandas, DataFrame.to_pickle",
        {"reviews.pkl": pickle.dumps(_OBJECTS, protocol=4)},
        words="is a pickle, which can run code when it is read",
    ),
)
