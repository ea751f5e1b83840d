"""Writes the tables of README.md from the results, each between `<!-- NAME -->` and `<!-- end NAME -->`."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from benchmarks.common.measure import RESULTS, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

README: Final = ROOT / "benchmarks" / "README.md"


def main() -> None:
    """Fills the tables that have results and leaves the others unchanged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--readme", type=Path, default=README)
    options = parser.parse_args()
    text = options.readme.read_text(encoding="utf-8")
    for name, rows in TABLES.items():
        path = options.results / f"{name}.json"
        if path.is_file():
            result = json.loads(path.read_text(encoding="utf-8"))
            body = "\n".join([*rows(result["figures"]), "", _origin(name, result)])
            place = re.search(f"(?s)<!-- {name} -->\n(.*?)<!-- end {name} -->", text)
            if place is None:
                raise LookupError(f"{options.readme} has no place for {name}")
            text = f"{text[: place.start(1)]}{body}\n{text[place.end(1) :]}"
            print(f"filled {name}")
    options.readme.write_text(text, encoding="utf-8")


def engines(figures: Mapping[str, Any]) -> Iterable[str]:
    """Rate, ratio and likeness of each engine."""
    for corpus, of in figures.items():
        yield from _table(
            f"{of['texts']:,} {corpus}",
            ("texts/s", "of the pipeline's", "same label", "largest difference of a probability"),
            {
                name: (
                    _rate(one),
                    f"{one['ratio']:.2f}",
                    f"{one['same_label']:.2%}",
                    f"{one['max_difference']:.4f}",
                )
                for name, one in of["engines"].items()
            },
        )


def reading(figures: Mapping[str, Any]) -> Iterable[str]:
    """Time and peak of memory of each reader."""
    yield from _table(
        "reading",
        ("GB", "rows", "s", "peak GiB"),
        {
            name: (f"{one['bytes'] / 1e9:.2f}", f"{one['rows']:,}", f"{one['s']:.1f}", f"{one['peak_gib']:.2f}")
            for name, one in figures.items()
        },
    )


def ceiling(figures: Mapping[str, Any]) -> Iterable[str]:
    """The speed of BERT-base relative to the machine's multiplications."""
    yield from _table(
        "bfloat16",
        ("GFLOP/s", "of torch's multiplication", "of it computed", "texts/s"),
        {
            name: (
                _spread(one["gflops"]),
                f"{one['of_torch']:.2f}",
                f"{one['computed']:.2f}" if "computed" in one else "",
                f"{one['texts_per_s']:,.0f}" if "texts_per_s" in one else "",
            )
            for name, one in figures.items()
        },
    )


def end_to_end(figures: Mapping[str, Any]) -> Iterable[str]:
    """Rate, ratio, share of the ceiling, cost and memory of each program."""
    for corpus, of in figures.items():
        yield from _table(
            f"{of['messages']:,} {corpus}",
            (
                "messages/s",
                "of the users' loop's",
                "of the bare scorer's",
                "of one window's",
                "CPU ms a message",
                "MiB",
            ),
            {
                name: (
                    _rate(one),
                    f"{one['ratio']:.2f}",
                    f"{one['of_ceiling']:.2f}" if "of_ceiling" in one else "",
                    f"{one['of_one_window']:.2f}" if "of_one_window" in one else "",
                    *(
                        (f"{one['cpu_us']['median'] / 1000:.2f}", f"{one['memory_mib']['median']:,.0f}")
                        if "cpu_us" in one
                        else ("", "")
                    ),
                )
                for name, one in of["programs"].items()
            },
        )


def served_models(figures: Mapping[str, Any]) -> Iterable[str]:
    """Rate, cost and memory of each model when it is served."""
    yield from _table(
        "exactly once",
        ("messages/s", "of the last one's", "CPU ms a message", "MiB", "folder, MiB", "engine"),
        {
            name: (
                _rate(one),
                f"{one['ratio']:.2f}",
                f"{one['cpu_us']['median'] / 1000:.2f}",
                f"{one['memory_mib']['median']:,.0f}",
                f"{one['folder_mib']:,.1f}",
                one["engine"],
            )
            for name, one in figures.items()
        },
    )


def host_path(figures: Mapping[str, Any]) -> Iterable[str]:
    """Rates without a model, and the cost of each stage."""
    yield from _table(
        f"{figures['messages']:,} tweets, no model",
        ("messages/s", "of the copy loop's", "CPU us a message", "cores busy", "of which main thread"),
        {
            name: (
                _rate(one),
                f"{one['ratio']:.2f}",
                f"{one['cpu_us']['median']:.1f}",
                f"{one['busy_cores']['all']:.2f}",
                f"{one['busy_cores']['main thread']:.2f}",
            )
            for name, one in figures["streams"].items()
        },
    )
    yield from _table(
        "Stage",
        ("CPU us a message", "range"),
        {stage: (f"{one['median']:.2f}", _range(one, 2)) for stage, one in figures["stages_us"].items()},
    )


def latency(figures: Mapping[str, Any]) -> Iterable[str]:
    """Percentiles by delivery and load."""
    columns = ("p50", "p99", "p99.9", "max")
    for delivery, of in figures.items():
        yield from _table(
            f"{delivery}, ms",
            ("messages/s", *columns),
            {
                f"{float(load):.0%} of {of['capacity_per_s']['median']:,.0f}/s": (
                    f"{one['per_s']['median']:,.0f}",
                    *(f"{one[column]['median']:,.1f}" for column in columns),
                )
                for load, one in of["loads"].items()
            },
        )


def planned(figures: Mapping[str, Any]) -> Iterable[str]:
    """The promised and the reached rates."""
    yield from _table(
        "tweets",
        ("messages/s", "of the promise"),
        {name: (_rate(one), f"{one['ratio']:.2f}" if "ratio" in one else "") for name, one in figures.items()},
    )


def scaling(figures: Mapping[str, Any]) -> Iterable[str]:
    """Cost, rate and memory by messages, partitions and processes."""
    for what, deliveries in figures.items():
        for delivery, cases in deliveries.items():
            yield from _table(
                f"{what}, {delivery}",
                ("messages/s", "of the first's", "CPU us a message", "of the first's", "most MiB", "drift"),
                {
                    f"{int(number):,}": (
                        _rate(one),
                        f"{one['rate_ratio']:.2f}",
                        f"{one['cpu_us']['median']:.1f}",
                        f"{one['cost_ratio']:.2f}",
                        f"{one['memory_mib']['median']:,.0f}",
                        "" if one["memory_drift"] is None else f"{one['memory_drift']:.1%}",
                    )
                    for number, one in cases.items()
                },
            )


def delivery(figures: Mapping[str, Any]) -> Iterable[str]:
    """Both deliveries for each scorer."""
    yield from _table(
        "Scorer",
        ("messages", "at least once", "exactly once", "ratio"),
        {
            name: (
                f"{of['messages']:,}",
                f"{_rate(of['at-least-once'])}/s",
                f"{_rate(of['exactly-once'])}/s",
                f"{of['exactly-once']['ratio']:.2f}",
            )
            for name, of in figures.items()
        },
    )


def metrics_cost(figures: Mapping[str, Any]) -> Iterable[str]:
    """With and without metrics for each delivery."""
    yield from _costs(figures, ("metrics off", "metrics on"))


def traces_cost(figures: Mapping[str, Any]) -> Iterable[str]:
    """Before there were traces, without and with them, for each delivery."""
    yield from _costs(figures, ("before", "traces off", "traces on"))


def _costs(figures: Mapping[str, Any], names: Iterable[str]) -> Iterable[str]:
    """Rate and processor time of each contender, and their ratios to that without."""
    yield from _table(
        "No model",
        ("messages/s", "ratio", "CPU us a message", "ratio"),
        {
            f"{delivery}, {name}": (
                _rate(of[name]),
                f"{of[name]['ratio']:.3f}",
                f"{of[name]['cpu_us']['median']:.1f} [{_range(of[name]['cpu_us'], 1)}]",
                f"{of[name]['cpu_ratio']:.3f}" + (f" ± {error:.3f}" if (error := of[name].get("error")) else ""),
            )
            for delivery, of in figures["streams"].items()
            for name in names
            if name in of
        },
    )


def _table(first: str, columns: Iterable[str], rows: Mapping[str, Iterable[str]]) -> Iterable[str]:
    header = [first, *columns]
    yield ""
    yield f"| {' | '.join(header)} |"
    yield "|---" * len(header) + "|"
    for name, cells in rows.items():
        yield f"| {' | '.join([name, *cells])} |"


def _rate(one: Mapping[str, Any]) -> str:
    return _spread(one["messages_per_s"])


def _spread(value: Mapping[str, Any]) -> str:
    return f"{value['median']:,.0f} [{_range(value)}]"


def _range(value: Mapping[str, Any], digits: int = 0) -> str:
    low, high = value["range"]
    return f"{low:,.{digits}f}-{high:,.{digits}f}"


def _origin(name: str, result: Mapping[str, Any]) -> str:
    machine = result["machine"]
    device = f", {machine['gpu']}" if "gpu" in machine else ""
    quick = "**A quick try, which measures nothing.** " if result["quick"] else ""
    how = "side by side" if result.get("side_by_side") else "in turn, one before discarded"
    rounds = f"medians [ranges] of {result['rounds']} rounds {how}"
    return (
        f"{quick}`python -m benchmarks.{_module(name)}`, {result['date']}, commit {result['commit']}, "
        f"{machine['cpu']}, {machine['cores']} cores{device}; {rounds if result['rounds'] else 'one run'}; "
        f"raw: `results/{name}.json`.\n"
    )


def _module(name: str) -> str:
    found = [path.parent.name for path in README.parent.glob(f"*/{name}.py")]
    return ".".join([*found, name])


TABLES: Final[Mapping[str, Callable[[Mapping[str, Any]], Iterable[str]]]] = {
    "engines": engines,
    "ceiling": ceiling,
    "end_to_end": end_to_end,
    "served_models": served_models,
    "host_path": host_path,
    "latency": latency,
    "planned": planned,
    "scaling": scaling,
    "delivery": delivery,
    "metrics_cost": metrics_cost,
    "traces_cost": traces_cost,
    "reading": reading,
}

if __name__ == "__main__":
    main()
