"""Schemes and acquisition functions of a search side by side, on the same images and seeds.

    python -m tests.bench.sim_search [--data ../shared/data/fashion_mnist] [--limit 6000]
        [--held-out 0.6667] [--half] [--share 0.5] [--acquirer cnn_small+seeds=3]
        [--model cnn_small+seeds=3] [--training epochs=10 --training min_steps=80] [--seeds 0 1 2]
        [--ways build_up:mutual_information ...] [--threads 1] [--device cpu] --out OUT.json
    python -m tests.bench.sim_search --table --out OUT.json

`python -m mcal_engine search` compares one way to search with all of L and with a random part. Here
those two models are trained once for each seed, and every way is compared with them; the scheme
`pretrain` has a random part of its own, fine-tuned as its subset is, and takes the subset of
`compress`, as it does in a search of its own. A way is SCHEME:ACQUISITION[:OUTLIERS]; `pretrain`
comes with every `compress`. Each is kept as it comes, all ways of one seed before the next, so a
stopped grid goes on. `--half` makes the images half as
wide and high: a quarter of the work.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcal_engine import datasets, search
from mcal_engine.search import LabelledPool, Scheme, SearchSettings
from mcal_engine.search_request import drawn
from mcal_engine.search_stages import DRAWN, FULL, SUBSET, Search
from mcal_engine.search_store import Memory
from mcal_engine.vision.search_learner import SearchLearner

WAYS = (
    "build_up:mutual_information",
    "compress:mutual_information",
    "build_up:error_count",
    "build_up:entropy",
    "build_up:variation_ratios",
    "build_up:mutual_information:0.05",
)
"""The ways that docs/search.md compares, in the order in which a stopped grid is worth most."""

WHOLE, PART, TUNED_PART = "all of L", "a random part", "a random part, fine-tuned"
COLUMNS = (
    "way",
    "seeds",
    "accuracy, %",
    "less a random part, points",
    "less all of L, points",
    "images shown to choose",
    "to train",
)
ABOUT = ("data", "limit", "half", "held_out", "share", "acquirer", "model", "training")

Row = dict[str, Any]


def main(arguments: list[str] | None = None) -> int:
    """Train what is missing and print the table."""
    options = parsed(arguments)
    found = begun(options)
    if not options.table:
        measure(options, found)
    print(table(found["rows"]))
    return 0


def measure(options: argparse.Namespace, found: dict[str, Any]) -> None:
    """Add every missing row to the file."""
    data = datasets.load(options.data, limit=options.limit, seed=0)
    held_out = drawn(len(data.labels), options.held_out, 0)
    pool = LabelledPool(data.labels, held_out, len(data.class_names))
    learner = SearchLearner(
        halved(data.images) if options.half else data.images,
        pool.classes,
        settings=training_of(options),
        device=options.device,
        threads=options.threads,
    )
    done = {(row["way"], row["seed"]) for row in found["rows"]}
    for seed in options.seeds:
        for way in (WHOLE, *options.ways):
            if (way, seed) in done:
                continue
            rows = with_nothing if way == WHOLE else by_a_search
            found["rows"] += rows(options, pool, learner, way, seed)
            options.out.write_text(json.dumps(found, indent=1) + "\n")
            print(f"seed {seed}: {way} {found['rows'][-1]['accuracy']:.4f}", flush=True)


def halved(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images [N, H, W, ...] of even sides with the mean of each four pixels: uint8."""
    n, height, width = images.shape[:3]
    blocks = np.asarray(images).reshape(n, height // 2, 2, width // 2, 2, -1)
    found: NDArray[np.uint8] = np.rint(blocks.mean(axis=(2, 4))).astype(np.uint8)
    return found


def with_nothing(
    options: argparse.Namespace, pool: LabelledPool, learner: SearchLearner, _way: str, seed: int
) -> list[Row]:
    """Return the rows of all of L and of a random part: what every way is compared with.

    The random part is trained afresh and fine-tuned; the learner keeps the weights of all of L.
    """
    one = Search(settings_of(options, "compress:random"), pool, learner, Memory(), seed)
    part = row_of(PART, seed, one.judge(DRAWN, one.random_subset(), 1), [])
    tuned = Search(settings_of(options, "pretrain:random"), pool, learner, Memory(), seed)
    return [
        part,
        row_of(WHOLE, seed, tuned.judge(FULL, pool.items, 1), []),
        row_of(TUNED_PART, seed, tuned.judge(DRAWN, tuned.random_subset(), 2), []),
    ]


def by_a_search(
    options: argparse.Namespace, pool: LabelledPool, learner: SearchLearner, way: str, seed: int
) -> list[Row]:
    """Return the row of one way; after `compress` that of `pretrain`, which takes the same part."""
    one = Search(settings_of(options, way), pool, learner, Memory(), seed)
    stages = list(one.stages())
    chosen, facts = stages[-1].items, [stage.facts for stage in stages]
    rows = [row_of(way, seed, one.judge(SUBSET, chosen, 2), facts)]
    if way.startswith(Scheme.COMPRESS):
        tuning = way.replace(Scheme.COMPRESS, Scheme.PRETRAIN)
        tuned = Search(settings_of(options, tuning), pool, learner, Memory(), seed)
        rows.append(row_of(tuning, seed, tuned.judge(SUBSET, chosen, 1), facts))
    return rows


def row_of(way: str, seed: int, judged: Row, stages: list[Row]) -> Row:
    """Return what is kept of a judged set: no seconds, since machines are shared."""
    return {
        "way": way,
        "seed": seed,
        "images": judged["images"],
        "accuracy": round(judged["accuracy"], 5),
        "accuracy_selected": round(judged["accuracy_selected"], 5),
        "samples_shown": judged["samples_shown"],
        "samples_shown_search": sum(stage.get("samples_shown", 0) for stage in stages),
        "per_class": stages[-1]["per_class"] if stages else None,
    }


def settings_of(options: argparse.Namespace, way: str) -> SearchSettings:
    """Return the search that a way names."""
    scheme, acquisition, *outliers = way.split(":")
    return SearchSettings(
        options.share,
        Scheme(scheme),
        acquisition,
        acquirer=options.acquirer,
        model=options.model,
        outliers=float(outliers[0]) if outliers else 0.0,
    )


def training_of(options: argparse.Namespace) -> dict[str, float]:
    """Return the training settings, NAME=VALUE each."""
    pairs = (text.split("=") for text in options.training)
    return {name: float(value) for name, value in pairs}


def begun(options: argparse.Namespace) -> dict[str, Any]:
    """Return what the file holds, or its head. Leaves where its rows are of other settings."""
    if options.table:
        return dict(json.loads(options.out.read_text()))
    given = {name: getattr(options, name) for name in ABOUT}
    about = given | {"data": options.data.name, "training": training_of(options)}
    if options.out.exists():
        found = dict(json.loads(options.out.read_text()))
        if {name: found[name] for name in ABOUT} != about:
            sys.exit(f"{options.out} is of other settings: name another file")
        return found
    command = "python -m tests.bench.sim_search " + " ".join(sys.argv[1:])
    return {"command": command, **about, "rows": []}


# --- the table --------------------------------------------------------------------------------


def table(rows: list[Row]) -> str:
    """Return a row for each way: means over its seeds, the least and the most in brackets.

    Differences are paired: those of one seed share their held-out images and training seed.
    """
    by_way: dict[str, dict[int, Row]] = {}
    for row in rows:
        by_way.setdefault(row["way"], {})[row["seed"]] = row
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for way, found in by_way.items():
        own = TUNED_PART if way.startswith(Scheme.PRETRAIN) else PART
        cells = [
            spread([100 * row["accuracy"] for row in found.values()], ""),
            less(found, by_way.get(own, {})) if way not in {WHOLE, PART} else "",
            less(found, by_way.get(WHOLE, {})) if way != WHOLE else "",
            f"{mean(row['samples_shown_search'] for row in found.values()):,.0f}",
            f"{mean(row['samples_shown'] for row in found.values()):,.0f}",
        ]
        lines.append(f"| {way} | {len(found)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def less(found: dict[int, Row], other: dict[int, Row]) -> str:
    """Return the spread of the paired differences, in points."""
    seeds = sorted(set(found) & set(other))
    both = [100 * (found[seed]["accuracy"] - other[seed]["accuracy"]) for seed in seeds]
    return spread(both, "+") if both else ""


def spread(values: list[float], sign: str) -> str:
    """Return "mean (least to most)"; one value stands alone."""
    middle = f"{np.mean(values):{sign}.2f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):{sign}.2f} to {max(values):{sign}.2f})"


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", type=Path, default=Path("../shared/data/fashion_mnist"))
    add("--limit", type=int, default=6000)
    add("--held-out", type=float, default=0.6667, help="share of the images that judges")
    add("--half", action="store_true", help="images of half the width and height")
    add("--share", type=float, default=0.5)
    add("--acquirer", default="cnn_small+seeds=3", help="candidate that chooses")
    add("--model", default="cnn_small+seeds=3", help="candidate that is judged")
    add("--training", action="append", default=[], metavar="NAME=VALUE")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2])
    add("--ways", nargs="+", default=list(WAYS))
    add("--device", default="cpu")
    add("--threads", type=int, default=None)
    add("--out", type=Path, required=True)
    add("--table", action="store_true", help="only print the table of --out")
    options = parser.parse_args(arguments)
    known = search.acquisition_names()
    for way in options.ways:
        parts = way.split(":")
        schemes = {Scheme.BUILD_UP, Scheme.COMPRESS}
        if len(parts) not in {2, 3} or parts[0] not in schemes or parts[1] not in known:
            parser.error(f"{way}: SCHEME:ACQUISITION[:OUTLIERS] is wanted")
    return options


if __name__ == "__main__":
    sys.exit(main())
