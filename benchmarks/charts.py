"""Draws the results as PNG and SVG into benchmarks/charts; one chart for each question that has results."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt

from benchmarks.common.measure import RESULTS, ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHARTS: Final = ROOT / "benchmarks" / "charts"
OURS, OTHERS, CEILING = "#0072B2", "#9CA3AF", "#D55E00"
STYLE: Final[dict[Any, object]] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "figure.dpi": 150,
    "legend.frameon": False,
    "svg.hashsalt": "benchmarks",  # the same figures give the same file
}


def main() -> None:
    """Draws every chart that has results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--output", type=Path, default=CHARTS)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    with plt.rc_context(STYLE):
        for name, draw in DRAWERS.items():
            path = options.results / f"{name}.json"
            if path.is_file():
                result = json.loads(path.read_text(encoding="utf-8"))
                figure = draw(result["figures"])
                figure.text(0.005, 0.005, _origin(result), fontsize=6, color="#6B7280")
                figure.tight_layout(rect=(0, 0.03, 1, 1))
                for suffix in ("png", "svg"):
                    metadata = {"Date": None} if suffix == "svg" else None
                    figure.savefig(options.output / f"{name}.{suffix}", metadata=metadata)
                plt.close(figure)
                print(f"drew {name}")


def engines(figures: Mapping[str, Any]) -> Figure:
    """Texts a second by engine, for each kind of text."""
    return _bars({name: corpus["engines"] for name, corpus in figures.items()}, "texts/s")


def end_to_end(figures: Mapping[str, Any]) -> Figure:
    """Messages a second by program, for each kind of text."""
    return _bars({name: corpus["programs"] for name, corpus in figures.items()}, "messages/s")


def host_path(figures: Mapping[str, Any]) -> Figure:
    """Rates without a model, and processor time by stage."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
    _barh(left, figures["streams"], "messages/s without a model")
    stages = {stage: value["median"] for stage, value in figures["stages_us"].items() if stage != "sum"}
    right.barh(list(stages), list(stages.values()), color=OURS)
    right.invert_yaxis()
    right.set_title("CPU time, us a message")
    return figure


def latency(figures: Mapping[str, Any]) -> Figure:
    """Percentiles over the load, a panel for each delivery."""
    figure, panels = plt.subplots(1, len(figures), figsize=(9, 3.2), sharey=True, squeeze=False)
    for axes, (delivery, measured) in zip(panels[0], figures.items(), strict=True):
        loads = [float(load) * 100 for load in measured["loads"]]
        for percentile, line in (("p50", "-"), ("p99", "--"), ("p99.9", ":")):
            medians = [load[percentile]["median"] for load in measured["loads"].values()]
            axes.plot(loads, medians, line, color=OURS, marker="o", markersize=3, label=percentile)
        axes.set_yscale("log")
        axes.set_title(f"{delivery}, capacity {measured['capacity_per_s']['median']:,.0f}/s")
        axes.set_xlabel("load, % of capacity")
        axes.grid(axis="y", color="#E5E7EB")
    panels[0][0].set_ylabel("due to be sent → with a subscriber, ms")
    panels[0][0].legend()
    return figure


def scaling(figures: Mapping[str, Any]) -> Figure:
    """Cost per message over messages and partitions, rate over processes, memory over messages."""
    figure, panels = plt.subplots(2, 2, figsize=(9, 6))
    colours = dict(zip(("at-least-once", "exactly-once"), (OTHERS, OURS), strict=True))
    of_panels = (
        ("messages", "cpu_us", "CPU time by messages, us a message"),
        ("partitions", "cpu_us", "CPU time by partitions, us a message"),
        ("members", "messages_per_s", "messages/s by processes"),
    )
    for axes, (what, value, title) in zip(panels.flat, of_panels, strict=False):
        for delivery, cases in figures[what].items():
            medians = [case[value]["median"] for case in cases.values()]
            axes.plot(list(cases), medians, marker="o", color=colours[delivery], label=delivery)
        axes.set_ylim(0, axes.get_ylim()[1] * 1.1)
        axes.set_title(title)
    for delivery, cases in figures["messages"].items():
        if not cases:
            continue  # `--only` left them out
        *_, longest = cases.values()
        written, resident = zip(*longest["memory_over_messages"], strict=True)
        panels[1][1].plot(written, resident, color=colours[delivery])
    panels[1][1].set_ylim(0, panels[1][1].get_ylim()[1] * 1.1)
    panels[1][1].xaxis.set_major_formatter("{x:,.0f}")
    panels[1][1].locator_params(axis="x", nbins=5)
    panels[1][1].set_title("resident memory over messages, MiB")
    panels[0][0].legend()
    return figure


def delivery(figures: Mapping[str, Any]) -> Figure:
    """Rates of both deliveries, for each scorer."""
    panels = {name: {key: value for key, value in of.items() if key != "messages"} for name, of in figures.items()}
    return _bars(panels, "messages/s")


def _bars(panels: Mapping[str, Mapping[str, Any]], unit: str) -> Figure:
    rows = max(len(contenders) for contenders in panels.values())
    figure, axes = plt.subplots(1, len(panels), figsize=(9, 0.9 + 0.3 * rows), squeeze=False)
    for one, (name, contenders) in zip(axes[0], panels.items(), strict=True):
        _barh(one, contenders, f"{name}: {unit}")
    return figure


def _barh(axes: Axes, contenders: Mapping[str, Any], title: str) -> None:
    names = list(contenders)
    rates = [contenders[name]["messages_per_s"] for name in names]
    medians = [rate["median"] for rate in rates]
    errors = [
        [rate["median"] - rate["range"][0] for rate in rates],
        [rate["range"][1] - rate["median"] for rate in rates],
    ]
    bars = axes.barh(
        names,
        medians,
        xerr=errors,
        color=[_colour(name) for name in names],
        error_kw={"lw": 0.8, "ecolor": "#111827"},
    )
    labels = [
        f"{rate:,.0f}  (x {contenders[name]['ratio']:.2f})" for rate, name in zip(medians, names, strict=True)
    ]
    axes.bar_label(bars, labels, padding=6, fontsize=7)
    axes.set_xlim(right=max(medians) * 1.8)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.locator_params(axis="x", nbins=4)
    axes.set_title(title)


def _colour(name: str) -> str:
    if name.startswith("bare"):
        return CEILING
    return OURS if name.startswith(("ours", "no model", "exactly-once")) else OTHERS


def _origin(result: Mapping[str, Any]) -> str:
    machine = result["machine"]
    quick = "QUICK TRY, MEASURES NOTHING; " if result["quick"] else ""
    device = f", {machine['gpu']}" if "gpu" in machine else ""
    return (
        f"{quick}{result['date']}, commit {result['commit']}, {machine['cpu']}, {machine['cores']} cores{device}; "
        f"medians and ranges of {result['rounds']} rounds in turn"
    )


DRAWERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Figure]]] = {
    "engines": engines,
    "end_to_end": end_to_end,
    "host_path": host_path,
    "delivery": delivery,
    "latency": latency,
    "scaling": scaling,
}

if __name__ == "__main__":
    main()
