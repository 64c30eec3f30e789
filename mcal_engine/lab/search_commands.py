"""`python -m mcal_engine search | transfer`: find a training set, and try it on another network.

`search` finds the part of a labelled set that trains the best model and compares it with a random
part of the same size and with all of it; `transfer` does the same comparison for another network on
a subset that `search` wrote.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mcal_engine import datasets, outputs, search, search_compare, search_request, training
from mcal_engine.errors import DataError, InvalidConfigError
from mcal_engine.learner import Learner
from mcal_engine.search import LabelledPool, Scheme, SearchSettings
from mcal_engine.search_job import parts
from mcal_engine.search_request import HELD_OUT, drawn, marked
from mcal_engine.search_stages import Step
from mcal_engine.search_store import Facts, Folder, Memory, Store, images_hash, key_of
from mcal_engine.types import IntArray

COLUMNS = ("image_id", "label", "label_id", "part", "stage")
KEPT, LEFT_OUT, HELD = "kept", "left_out", "held_out"


def main(arguments: list[str]) -> int:
    """Run `search` or `transfer`, the first argument. Returns 0; raises `EngineError`."""
    command, given = arguments[0], arguments[1:]
    if command == "search":
        return _search(search_parser().parse_args(given), arguments)
    return _transfer(transfer_parser().parse_args(given), arguments)


def search_parser() -> argparse.ArgumentParser:
    """Return the options of `search`."""
    made = _parser("search", "Find the part of a labelled set that trains the best model.")
    add = made.add_argument
    usual = SearchSettings(0.5)
    add("--share", type=float, default=usual.share, help="of the labelled images that is kept")
    add("--scheme", choices=[one.value for one in Scheme], default=usual.scheme.value)
    add("--acquisition", choices=search.acquisition_names(), default=usual.acquisition)
    add("--acquirer", default=usual.acquirer, help="candidate whose members choose")
    add("--model", default=usual.model, help="candidate that the subset is judged by")
    add("--start", type=float, default=usual.start, help="build_up: random start at most, a share")
    add("--outliers", type=float, default=0.0, help="most uncertain share that is left out")
    add("--tune-rate", type=float, default=usual.tune_rate, help="pretrain: of the fine-tuning")
    add("--held-out", type=float, default=HELD_OUT, help="share of the images that judges")
    add("--held-out-last", type=int, default=None, metavar="N", help="or the last N images")
    add("--compare", action=argparse.BooleanOptionalAction, default=True, help="judge the sets")
    add("--subset-csv", type=Path, default=None, metavar="OUT", help="each image's part and stage")
    return made


def transfer_parser() -> argparse.ArgumentParser:
    """Return the options of `transfer`."""
    made = _parser("transfer", "Train another network on a subset that `search` wrote.", data=False)
    made.add_argument("--subset", type=Path, default=None, metavar="FILE.csv")
    made.add_argument("--job", type=Path, default=None, metavar="FOLDER", help="of a search-job")
    made.add_argument("--arch", required=True, help="candidate to train")
    return made


def _parser(name: str, text: str, *, data: bool = True) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog=f"mcal_engine {name}", description=text)
    add_data_options(made, required=data)
    add = made.add_argument
    add("--work", type=Path, default=None, metavar="FOLDER", help="keep every step, to go on there")
    add("--json", type=Path, default=None, metavar="OUT", help="write the result here")
    return made


def add_data_options(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add what every command needs that trains on a labelled set."""
    add = parser.add_argument
    add("--data", type=Path, required=required, help=".npz file, IDX folder, or folder per class")
    add("--limit", type=int, default=None, help="use only so many images, drawn by --draw-seed")
    add("--draw-seed", type=int, default=0, help="draws the limit and the held-out images")
    add("--seeds", type=seeds_of, default=(0,), help="of the experiments, with commas")
    add("--training", action="append", default=[], metavar="NAME=VALUE", help="of every training")
    add(
        "--flip", action=argparse.BooleanOptionalAction, default=True, help="train on mirror images"
    )
    add("--device", default=None, help="cpu, cuda, mps; by default the best there is")
    add("--threads", type=int, default=None)
    add("--weights", type=Path, default=None, metavar="FOLDER", help="of pre-trained weights")
    add("--allow-download", action="store_true", help="fetch pre-trained weights that are missing")


def seeds_of(text: str) -> tuple[int, ...]:
    """Return the seeds in "0,1,2". Raises ValueError, which argparse says in words."""
    return tuple(int(part) for part in text.split(","))


def training_of(options: argparse.Namespace) -> dict[str, float]:
    """Return the training settings that were given. Raises `InvalidConfigError`."""
    found = {}
    for text in options.training:
        name, _, value = text.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            raise InvalidConfigError(f"--training {text}: NAME=NUMBER is wanted") from None
    return training.checked(found)


def make_learner(data: datasets.Dataset, options: argparse.Namespace) -> Learner:
    """Return the learner that the options of `add_data_options` describe."""
    from mcal_engine.vision.pretrained import prior_of  # noqa: PLC0415 - torch
    from mcal_engine.vision.search_learner import SearchLearner  # noqa: PLC0415

    learner = SearchLearner(
        data.images,
        len(data.class_names),
        settings=training_of(options),
        flip=options.flip,
        device=options.device,
        threads=options.threads,
    )
    learner.prior = prior_of(weights_of(options))
    return learner


def weights_of(options: argparse.Namespace) -> dict[str, object]:
    """Return where pre-trained weights come from, as `vision.pretrained.prior_of` reads it."""
    folder = None if options.weights is None else str(options.weights.absolute())
    return {"weights": folder, "download": options.allow_download}


def _search(options: argparse.Namespace, arguments: list[str]) -> int:
    outputs.check_places((options.json, options.subset_csv))
    settings = settings_of(options)
    data = datasets.load(options.data, limit=options.limit, seed=options.draw_seed)
    pool = LabelledPool(data.labels, held_out_of(len(data.labels), options), len(data.class_names))
    search.check(settings, pool)
    learner = make_learner(data, options)
    told = told_of(learner, (settings.acquirer, settings.model))
    store = store_of(options, data, settings, pool, told)
    result, subset = search_compare.compare(
        settings,
        pool,
        learner,
        store,
        options.seeds,
        sets=search_compare.SETS if options.compare else (),
        watch=say_step,
    )
    if options.subset_csv is not None:
        write_subset(options.subset_csv, data, parts(pool, subset, result))
    return _end(result, options, arguments)


def settings_of(options: argparse.Namespace) -> SearchSettings:
    """Return the settings that the options of `search` name."""
    return SearchSettings(
        share=options.share,
        scheme=Scheme(options.scheme),
        acquisition=options.acquisition,
        acquirer=options.acquirer,
        model=options.model,
        start=options.start,
        outliers=options.outliers,
        tune_rate=options.tune_rate,
    )


def held_out_of(n: int, options: argparse.Namespace) -> NDArray[np.bool_]:
    """Return who is held out: a random share, or the last images. Raises `DataError`."""
    last = options.held_out_last
    if last is None:
        return drawn(n, options.held_out, options.draw_seed)
    if not 0 < last < n:
        raise DataError(f"of {n:,} images the last {last:,} cannot be held out")
    return marked(np.arange(n - last, n), n)


def store_of(
    options: argparse.Namespace,
    data: datasets.Dataset,
    settings: SearchSettings,
    pool: LabelledPool,
    told: Facts,
) -> Store:
    """Return where steps are kept: below --work, or in memory. `told` is for their key."""
    if options.work is None:
        return Memory()
    more = {"training": training_of(options), "flip": options.flip, **told}
    return Folder(options.work, key_of(settings, pool, images_hash(data.images), more))


def told_of(learner: Learner, archs: Iterable[str]) -> Facts:
    """Return what the learner adds to the key (`vision.search_key.told`); nothing of a stand-in."""
    from mcal_engine.vision.learner import TorchLearner  # noqa: PLC0415 - torch
    from mcal_engine.vision.search_key import told  # noqa: PLC0415

    return told(learner, archs) if isinstance(learner, TorchLearner) else {}


def _transfer(options: argparse.Namespace, arguments: list[str]) -> int:
    outputs.check_places((options.json,))
    data, subset, held_out = _given_subset(options)
    pool = LabelledPool(data.labels, held_out, len(data.class_names))
    settings = search_compare.transfer_settings(subset, pool, options.arch)
    search.check(settings, pool)
    learner = make_learner(data, options)
    result = search_compare.transfer(
        subset,
        pool,
        learner,
        store_of(options, data, settings, pool, told_of(learner, (options.arch,))),
        options.arch,
        options.seeds,
        watch=say_step,
    )
    return _end(result, options, arguments)


def _given_subset(
    options: argparse.Namespace,
) -> tuple[datasets.Dataset, IntArray, NDArray[np.bool_]]:
    """Return the data, the kept images in the order of their stages, and who is held out [N].

    Of --data and --subset, or of the folder of a search job, whose training settings then hold
    where none is given. Raises `DataError`, `InvalidConfigError`.
    """
    if (options.job is None) == (options.subset is None) or (options.data is None) == (
        options.job is None
    ):
        raise InvalidConfigError("give either --data with --subset, or --job")
    if options.job is None:
        data = datasets.load(options.data, limit=options.limit, seed=options.draw_seed)
        return data, *read_subset(options.subset, data.labels)
    request = search_request.read(options.job)
    images, pool = search_request.load(request)
    part = search_request.array(options.job / "part.npy")
    if part.shape != pool.labels.shape:
        raise DataError(f"part.npy in {options.job} does not go with its labels")
    options.training = options.training or [f"{k}={v}" for k, v in request.training.items()]
    options.flip = options.flip and request.flip
    names = tuple(str(index) for index in range(pool.classes))
    kept = np.flatnonzero(part > 0)
    data = datasets.Dataset(images, pool.labels, names)
    return data, kept[np.argsort(part[kept], kind="stable")], part < 0


def _end(result: Facts, options: argparse.Namespace, arguments: list[str]) -> int:
    for line in search_compare.lines(result):
        _say(line)
    if options.json is not None:
        outputs.write_json(options.json, {"arguments": arguments, **result})
    return 0


def write_subset(path: Path, data: datasets.Dataset, part: NDArray[np.int16]) -> None:
    """Write a row per image: `image_id` is its number + 1, `stage` the one that took it or 0.

    Raises `EngineError`.
    """
    rows: list[Sequence[object]] = []
    for item, (label, stage) in enumerate(zip(data.labels, part, strict=True)):
        name = KEPT if stage > 0 else LEFT_OUT if stage == 0 else HELD
        rows.append((item + 1, data.class_names[label], label, name, max(int(stage), 0)))
    outputs.write_rows(path, COLUMNS, rows)


def read_subset(path: Path, labels: IntArray) -> tuple[IntArray, NDArray[np.bool_]]:
    """Return the kept images in the order of their stages, and who is held out [N].

    Raises `DataError` where the file is not one of `search`, or is of other images.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        ids = [int(row["image_id"]) for row in rows]
        given = np.array([int(row["label_id"]) for row in rows], dtype=np.int64)
        stages = np.array([int(row["stage"]) for row in rows], dtype=np.int64)
        part = np.array([row["part"] for row in rows])
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise DataError(f"{path.name} is not a subset that `search` wrote: {error}") from error
    if ids != list(range(1, len(labels) + 1)) or not np.array_equal(given, labels):
        raise DataError(
            f"{path.name} is a subset of other images than these: use the same --data, --limit and "
            "--draw-seed"
        )
    kept = np.flatnonzero(part == KEPT)
    return kept[np.argsort(stages[kept], kind="stable")], part == HELD


def say_step(step: Step) -> None:
    """Print that a training begins."""
    what = f"stage {step.stage}" if step.stage else f"model on {step.purpose}"
    _say(f"seed {step.seed}  {step.step}/{step.steps}  {what}: {step.images:,} images")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
