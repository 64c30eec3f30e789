"""A grid of whole simulated runs: what each way to choose images and to train costs in the end.

    .venv/bin/python -m tests.bench.sim_methods run [--data fashion_mnist cifar10_jpeg]
        [--methods margin mutual_20 ...] [--seeds 0 1 2] [--limit 5000] [--folder ../shared/data]
        [--out docs/results/cpu/methods] [--weights FOLDER] [--device cpu] [--dry]
    .venv/bin/python -m tests.bench.sim_methods table [--out docs/results/cpu/methods]

Each cell (data set, size, method, seed) is one `python -m mcal_engine simulate` in a process of its
own and leaves one JSON file; a cell whose file is there is skipped, so a grid that was stopped goes
on where it was. The methods with `+tuned` and `+frozen` need `--weights`, a folder that `python -m
mcal_engine pretrain` left, of another set than those of the grid; without it they are passed over,
and the file says the SHA-256 of the weights. `table` prints what is there as the tables of docs/benchmarks.md: the mean over the
seeds and, in brackets, the least and the most. Costs, shares and errors do not depend on how busy
the machine is, but for the price of computing, which is charged by the second of a quiet machine or of a busy one: its
column says how much of the total that is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from statistics import mean
from typing import Any

from mcal_engine.lab.recorder import hardware
from mcal_engine.search import spread as interval

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "results" / "cpu" / "methods"
LONGEST = 6 * 3600  # seconds for one cell

METHODS: dict[str, tuple[str, ...]] = {
    # one network
    "margin": (),
    "entropy": ("--acquisition", "entropy"),
    "k_center": ("--acquisition", "k_center"),
    "random": ("--acquisition", "random"),
    "informativeness": ("--acquisition", "informativeness"),
    # an ensemble that says what people label next, and by its mean what the machine labels
    "mutual_5": ("--arch", "{net}+checkpoints=5", "--acquisition", "mutual_information"),
    "mutual_20": ("--arch", "{net}+checkpoints=20", "--acquisition", "mutual_information"),
    "variation_5": ("--arch", "{net}+checkpoints=5", "--acquisition", "variation_ratios"),
    "variation_20": ("--arch", "{net}+checkpoints=20", "--acquisition", "variation_ratios"),
    "mutual_4x5": (
        "--arch",
        "{net}+checkpoints=4+seeds=5",
        "--acquisition",
        "mutual_information",
    ),
    # the mean alone: people label next what its margin says, as with one network
    "mean_5": ("--arch", "{net}+checkpoints=5"),
    "mean_20": ("--arch", "{net}+checkpoints=20"),
    "mean_seeds_5": ("--arch", "{net}+seeds=5"),
    "entropy_20": ("--arch", "{net}+checkpoints=20", "--acquisition", "entropy"),
    # the annotator: pseudo-labels, consistency training
    "pseudo": ("--arch", "{net}+pseudo"),
    "semi": ("--arch", "{net}+semi"),
    # pre-trained weights, of another set: fine-tuned, or as they are under a linear head
    "tuned": ("--arch", "{net}+tuned"),
    "frozen": ("--arch", "{net}+frozen"),
    # the budget annotator whole: all of the above together
    "annotator": ("--arch", "{net}+pseudo+tuned", "--acquisition", "informativeness"),
    # the race decides
    "race_mean_20": ("--arch", "{net}", "--rivals", "{net}+checkpoints=20"),
    "race_semi": ("--arch", "{net}", "--rivals", "{net}+semi"),
    "race_tuned": ("--arch", "{net}", "--rivals", "{net}+tuned"),
}
"""Options of `simulate` beside those of the data; {net} is the network of the data set."""


@dataclass(frozen=True)
class Data:
    """A data set of the grid, below the folder of data sets, and its error target."""

    path: str
    net: str
    epsilon: float
    flip: bool = True


SETS: dict[str, Data] = {
    "fashion_mnist": Data("fashion_mnist", "cnn_small", 0.05),
    "cifar10_jpeg": Data("cifar10_jpeg.npz", "cnn_small", 0.10),
}


@dataclass(frozen=True)
class Cell:
    """One run of the grid; `limit` images of the data set, drawn by the seed."""

    data: str
    limit: int
    method: str
    seed: int

    @property
    def name(self) -> str:
        """The name of its file."""
        return f"{self.data}_{self.limit}_{self.method}_s{self.seed}.json"

    @property
    def needs_weights(self) -> bool:
        """Whether one of its candidates brings pre-trained weights."""
        return any("+tuned" in part or "+frozen" in part for part in METHODS[self.method])

    def options(
        self, folder: Path, device: str | None = None, weights: Path | None = None
    ) -> list[str]:
        """Return the options of `simulate`."""
        about = SETS[self.data]
        given = [part.format(net=about.net) for part in METHODS[self.method]]
        arch = [] if "--arch" in given else ["--arch", about.net]
        return [
            *("--data", str(folder / about.path), "--limit", str(self.limit)),
            *("--seed", str(self.seed), "--epsilon", str(about.epsilon)),
            *([] if about.flip else ["--no-flip"]),
            *([] if device is None else ["--device", device]),
            *(["--weights", str(weights)] if weights and self.needs_weights else []),
            *arch,
            *given,
        ]


def cells(options: argparse.Namespace) -> Iterator[Cell]:
    """Yield the grid, all methods of one seed before the next seed: a part is a fair part."""
    for data in options.data:
        for seed in options.seeds:
            for method in options.methods:
                yield Cell(data, options.limit, method, seed)


def run_cell(cell: Cell, options: argparse.Namespace) -> bool:
    """Run one cell and write its file. Returns False where the run failed."""
    given = cell.options(options.folder, options.device, options.weights)
    command = ["-m", "mcal_engine", "simulate", *given]
    with tempfile.TemporaryDirectory(prefix="mcal-methods-") as folder:
        result = Path(folder) / "result.json"
        began = time.monotonic()
        done = subprocess.run(
            [sys.executable, *command, "--json", str(result)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        if done.returncode or not result.exists():
            print(f"{cell.name}: FAILED\n{done.stderr[-1500:]}", flush=True)
            return False
        found = json.loads(result.read_text())
    content = {
        "cell": asdict(cell),
        "command": " ".join(["python", *command]),
        "hardware": hardware(options.device or "cpu"),
        "seconds": round(time.monotonic() - began, 1),
        "result": short(found),
    }
    if cell.needs_weights:
        content["weights_sha256"] = hashes(options.weights, SETS[cell.data].net)
    write(options.out / cell.name, content)
    return True


def hashes(folder: Path, net: str) -> dict[str, str]:
    """Return the SHA-256 of each file of weights of this network by its name."""
    found = sorted({folder / f"{net}.pt", *folder.glob(f"{net}-*.pth")})
    return {one.name: sha256(one.read_bytes()).hexdigest() for one in found if one.exists()}


def short(result: dict[str, Any]) -> dict[str, Any]:
    """Return a result without what no table shows: the plan of each round, the audit's lists."""
    kept = {name: value for name, value in result.items() if name not in {"iterations", "promise"}}
    rounds = result["iterations"]
    wanted = ("train_size", "arch", "train_seconds", "score_seconds", "samples_shown", "c_star")
    return kept | {"rounds": [{name: one[name] for name in wanted} for one in rounds]}


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a cell's file whole or not at all."""
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    temporary.replace(path)


def run(options: argparse.Namespace) -> int:
    """Run the cells that have no file yet. Returns 1 where one failed."""
    options.out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for cell in cells(options):
        if (options.out / cell.name).exists():
            continue
        if cell.needs_weights and options.weights is None:
            print(f"{cell.name}: passed over, it needs --weights", flush=True)
            continue
        if options.dry:
            given = cell.options(options.folder, options.device, options.weights)
            print("python -m mcal_engine simulate", *given)
            continue
        began = time.monotonic()
        done = run_cell(cell, options)
        failed += not done
        print(f"{cell.name}: {time.monotonic() - began:.0f} s", flush=True)
    return int(failed > 0)


BASE = "margin"
"""What the others are compared with, seed by seed."""
COLUMNS = (
    "total cost, $",
    "less margin, $ (95 %)",
    "of it computing, $",
    "people label, %",
    "certified by machine, %",
    "realised error, %",
    "trainings",
)

# --- the table --------------------------------------------------------------------------------


Methods = dict[str, dict[int, dict[str, Any]]]
"""Results by method and seed."""


def load(folder: Path) -> list[dict[str, Any]]:
    """Return all cells that are there."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def table(found: Iterable[dict[str, Any]]) -> str:
    """Return one Markdown table for each data set and size: a row for each method."""
    groups: dict[tuple[str, int], Methods] = {}
    for one in found:
        cell = one["cell"]
        methods = groups.setdefault((cell["data"], cell["limit"]), {})
        methods.setdefault(cell["method"], {})[cell["seed"]] = one["result"]
    tables = [_one_table(*key, methods) for key, methods in sorted(groups.items())]
    return "\n".join([*tables, together(list(groups.values()))])


def together(groups: list[Methods]) -> str:
    """Return the table of all pairs, whatever their data set: total cost against the margin's."""
    lines = ["all of these\n", "| method | pairs | cost against margin, % (95 %) | cheaper in |"]
    lines.append("|---" * 4 + "|")
    for name in METHODS:
        pairs = [(one.get(name, {}), one.get(BASE, {})) for one in groups]
        ratios = [100 * (a - b) / b for mine, base in pairs for a, b in totals(mine, base)]
        if name == BASE or not ratios:
            continue
        below = sum(ratio < 0 for ratio in ratios)
        lines.append(f"| {name} | {len(ratios)} | {with_interval(ratios, 1)} | {below} |")
    return "\n".join(lines) + "\n"


def totals(
    by_seed: dict[int, dict[str, Any]], base: dict[int, dict[str, Any]]
) -> list[tuple[float, float]]:
    """Return the total costs of the seeds that both have."""
    both = sorted(set(by_seed) & set(base))
    return [(by_seed[one]["cost"]["total"], base[one]["cost"]["total"]) for one in both]


def _one_table(data: str, limit: int, methods: Methods) -> str:
    lines = [
        f"{data}, {limit:,} images, epsilon {SETS[data].epsilon:.0%}\n",
        f"| method | seeds | {' | '.join(COLUMNS)} |",
        "|---" * (2 + len(COLUMNS)) + "|",
    ]
    order = [name for name in METHODS if name in methods]
    order += sorted(set(methods) - set(order))
    base = methods.get(BASE, {})
    return "\n".join([*lines, *(_row(name, methods[name], base) for name in order)]) + "\n"


def _row(name: str, by_seed: dict[int, dict[str, Any]], base: dict[int, dict[str, Any]]) -> str:
    results = list(by_seed.values())
    columns = [
        spread([one["cost"]["total"] for one in results], 2),
        "" if name == BASE else less(by_seed, base),
        spread([one["cost"]["compute"] for one in results], 2),
        spread([100 * one["human_fraction"] for one in results], 1),
        spread([100 * one["machine_fraction"] for one in results], 1),
        spread([100 * one["realised_error"] for one in results], 2),
        spread([len(one["rounds"]) for one in results], 1),
    ]
    return f"| {name} | {len(results)} | " + " | ".join(columns) + " |"


def spread(values: list[float], digits: int) -> str:
    """Return "mean (least to most)"; one value stands alone."""
    middle = f"{mean(values):,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def less(by_seed: dict[int, dict[str, Any]], base: dict[int, dict[str, Any]]) -> str:
    """Return how much more the same seeds cost than those of `base`, with Student's interval."""
    differences = [mine - other for mine, other in totals(by_seed, base)]
    return with_interval(differences, 2) if differences else ""


def with_interval(values: list[float], digits: int) -> str:
    """Return "+mean (low to high)" with Student's 95 % interval; one value has none."""
    found = interval(values)
    middle = f"{found['mean']:+,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({found['low']:+,.{digits}f} to {found['high']:+,.{digits}f})"


def main(arguments: list[str] | None = None) -> int:
    """Run the grid or print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["run", "table"])
    parser.add_argument("--data", nargs="+", choices=sorted(SETS), default=sorted(SETS))
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--limit", type=int, default=5000, help="images of each data set")
    parser.add_argument("--folder", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--weights", type=Path, default=None, help="folder of pre-trained weights")
    parser.add_argument("--device", default=None)
    parser.add_argument("--dry", action="store_true", help="only say what would be run")
    options = parser.parse_args(arguments)
    if options.what == "run":
        return run(options)
    print(table(load(options.out)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
