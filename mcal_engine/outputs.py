"""What a simulated run leaves behind: its result, and the two files that `verify` reads."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TextIO

import numpy as np

from mcal_engine import audit, simulate
from mcal_engine.errors import EngineError

COLUMNS = ("image_id", "label", "label_id", "source")


def check_places(paths: Sequence[Path | None]) -> None:
    """Raise `EngineError` before a long run, not after it, where a file has no place to go."""
    for path in paths:
        if path is not None and (not path.parent.is_dir() or path.is_dir()):
            raise EngineError(f"cannot write {path}: it is a folder or lies in none that exists")


def write_json(path: Path, content: dict[str, object]) -> None:
    """Write a result. Raises `EngineError`."""
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    _written(path, lambda file: file.write(text))


def write_certificate(path: Path, driver: simulate.Driver) -> bool:
    """Write the certificate with its hash and what each audit had committed to.

    Returns False where the machine labelled nothing: then there is nothing to promise, and an
    older file is removed so that it cannot pass for this run's. Raises `EngineError`.
    """
    if not driver.certificate:
        path.unlink(missing_ok=True)
        return False
    before = [audit.sealed(content) for content in driver.commitments]
    write_json(path, audit.sealed(driver.certificate) | {"commitments": before})
    return True


def write_labels(path: Path, driver: simulate.Driver, class_names: Sequence[str]) -> None:
    """Write every image's label and source (human, machine); `image_id` is its number + 1.

    An image without any label has empty cells. Raises `EngineError`.
    """
    labels = np.where(driver.machine, driver.machine_labels, driver.labels)
    rows: list[tuple[object, ...]] = []
    for item, (label, machine) in enumerate(zip(labels, driver.machine, strict=True)):
        known = (class_names[label], label, "machine" if machine else "human")
        rows.append((item + 1, *(known if label >= 0 else ("", "", ""))))
    write_rows(path, COLUMNS, rows)


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV file with this head. Raises `EngineError`."""

    def write(file: TextIO) -> None:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)

    _written(path, write)


def _written(path: Path, write: Callable[[TextIO], object]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            write(file)
    except OSError as error:
        raise EngineError(f"cannot write {path}: {error.strerror}") from error
