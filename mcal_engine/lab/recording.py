"""A recorded run: who joined B when, and how every model of every round scored all images.

One compressed .npz file, about 7 bytes per image and model (codec.py). The labels themselves are
not in it unless asked for: a replay reads them from the data set, whose SHA-256 is kept.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mcal_engine.errors import DataError
from mcal_engine.lab.codec import Coded, decode, encode
from mcal_engine.learner import TrainedModel
from mcal_engine.types import ENSEMBLE_MEASURES, MEASURES, BoolArray, IntArray, Scores

VERSION = 1
BROKEN = (OSError, ValueError, EOFError, KeyError, TypeError, zipfile.BadZipFile)


@dataclass(frozen=True)
class About:
    """What a recording was made of: enough to make it again and to refuse the wrong labels.

    `labels_sha256` is of the truth, `given_sha256` of the labels that people gave. `sizes` are
    the |B| asked for, `recipe` and `hardware` are for people.
    """

    data: str
    labels_sha256: str
    given: str
    given_sha256: str
    n: int
    classes: int
    seed: int
    acquisition: str
    random_share: float
    test_share: float
    archs: tuple[str, ...]
    sizes: tuple[int, ...]
    limit: int | None = None
    recipe: dict[str, object] = field(default_factory=dict)
    hardware: dict[str, object] = field(default_factory=dict)
    version: int = VERSION


@dataclass(frozen=True, eq=False)
class Take:
    """One architecture's training in one round. Seconds; `device` is its kind."""

    pred: NDArray[np.uint16]
    measures: Mapping[str, Coded]  # by their names in `types`, margin always
    model: str
    train_seconds: float
    score_seconds: float
    samples_shown: int
    device: str = ""

    def scores(self) -> Scores:
        """Return the scores of all N images; their order is exact, their values nearly."""
        return _decoded(self)


@lru_cache(maxsize=32)
def _decoded(take: Take) -> Scores:
    """Decode once for many replays; nobody writes into scores."""
    found = {name: decode(coded) for name, coded in take.measures.items()}
    return Scores(
        pred=take.pred,
        uncertainty=found["margin"],
        model=take.model,
        least=found.get("least_confidence"),
        entropy=found.get("entropy"),
        mutual=found.get("mutual_information"),
        variation=found.get("variation_ratios"),
    )


@dataclass(frozen=True)
class Round:
    """One round: all architectures trained on the same B of `train_size` images."""

    number: int  # 1, 2, ...
    train_size: int
    takes: Mapping[str, Take]  # by architecture, in the order of `About.archs`

    def scores(self, arch: str | None = None) -> Scores:
        """Return the scores of one architecture, by default the first."""
        return self.take(arch).scores()

    def take(self, arch: str | None = None) -> Take:
        """Return what one architecture did. Raises `DataError` for one not recorded."""
        name = next(iter(self.takes)) if arch is None else arch
        if name not in self.takes:
            raise DataError(f"{name} was not recorded, only {', '.join(self.takes)}")
        return self.takes[name]


@dataclass(frozen=True)
class Recording:
    """A recorded run. `joined` int16 [N]: the round in which an image joined B, 0 for never."""

    about: About
    joined: NDArray[np.int16]
    rounds: tuple[Round, ...] = ()
    truth: IntArray | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return |B| per round."""
        return tuple(r.train_size for r in self.rounds)

    def train(self, number: int) -> BoolArray:
        """Return B [N] of one round."""
        return np.asarray((self.joined > 0) & (self.joined <= number))

    def batch(self, number: int) -> IntArray:
        """Return the images that joined B in one round, by number."""
        return np.flatnonzero(self.joined == number).astype(np.int64)

    def up_to(self, number: int) -> Recording:
        """Return the recording as it was after one round."""
        kept = np.where(self.joined <= number, self.joined, 0).astype(np.int16)
        return replace(self, joined=kept, rounds=self.rounds[:number])


def take_of(trained: TrainedModel) -> Take:
    """Code what a learner reported; raises `DataError` where a score is not finite."""
    scores = trained.scores
    given = (scores.uncertainty, scores.least, scores.entropy, scores.mutual, scores.variation)
    named = zip((*MEASURES, *ENSEMBLE_MEASURES), given, strict=True)
    return Take(
        pred=scores.pred,
        measures={name: encode(values) for name, values in named if values is not None},
        model=scores.model,
        train_seconds=trained.train_seconds,
        score_seconds=trained.score_seconds,
        samples_shown=trained.samples_shown,
        device=getattr(trained, "device", ""),
    )


def digest(labels: IntArray) -> str:
    """Return the SHA-256 of labels [N] as little-endian int64."""
    return hashlib.sha256(labels.astype("<i8").tobytes()).hexdigest()


# --- file ------------------------------------------------------------------------------------


def to_bytes(recording: Recording) -> bytes:
    """Return the recording as the bytes of an .npz file."""
    about = recording.about
    rounds, arrays = [], {"joined": recording.joined}
    if recording.truth is not None:
        arrays["truth"] = recording.truth.astype(np.uint16)
    for taken in recording.rounds:
        rounds.append({"train_size": taken.train_size, "takes": _facts(taken)})
        for position, take in enumerate(taken.takes.values()):
            arrays |= _arrays(f"r{taken.number}a{position}", take, about.classes)
    heading = {"about": asdict(about), "rounds": rounds}
    arrays["heading"] = np.array(json.dumps(heading, allow_nan=False))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _facts(taken: Round) -> list[dict[str, object]]:
    return [
        {
            "arch": arch,
            "model": take.model,
            "measures": list(take.measures),
            "train_seconds": take.train_seconds,
            "score_seconds": take.score_seconds,
            "samples_shown": take.samples_shown,
            "device": take.device,
        }
        for arch, take in taken.takes.items()
    ]


def _arrays(prefix: str, take: Take, classes: int) -> dict[str, NDArray[Any]]:
    small = np.uint8 if classes <= 256 else np.uint16
    arrays: dict[str, NDArray[Any]] = {f"{prefix}_pred": take.pred.astype(small)}
    for name, coded in take.measures.items():
        arrays[f"{prefix}_{name}_low"] = coded.low
        arrays[f"{prefix}_{name}_high"] = coded.high
        arrays[f"{prefix}_{name}_knots"] = coded.knots
    return arrays


def load(path: str | Path) -> Recording:
    """Read a recording. Raises `DataError` for a file that is none, is cut or is newer."""
    source = Path(path)
    try:
        with np.load(io.BytesIO(source.read_bytes()), allow_pickle=False) as arrays:
            return _read(arrays)
    except BROKEN as error:
        raise DataError(f"{source} is not a recording that can be read: {error}") from error


def _read(arrays: Any) -> Recording:
    heading = json.loads(str(arrays["heading"]))
    known = heading["about"]
    if known["version"] > VERSION:
        raise DataError("the recording was made by a newer version of this program")
    about = About(**known | {"archs": tuple(known["archs"]), "sizes": tuple(known["sizes"])})
    rounds = tuple(
        Round(
            number=number,
            train_size=found["train_size"],
            takes={
                facts["arch"]: _take(arrays, f"r{number}a{position}", facts)
                for position, facts in enumerate(found["takes"])
            },
        )
        for number, found in enumerate(heading["rounds"], start=1)
    )
    truth = arrays["truth"].astype(np.int64) if "truth" in arrays else None
    return Recording(about, arrays["joined"], rounds, truth)


def _take(arrays: Any, prefix: str, facts: Mapping[str, Any]) -> Take:
    measures = {
        name: Coded(*(arrays[f"{prefix}_{name}_{part}"] for part in ("low", "high", "knots")))
        for name in facts["measures"]
    }
    return Take(
        pred=arrays[f"{prefix}_pred"].astype(np.uint16),
        measures=measures,
        model=facts["model"],
        train_seconds=facts["train_seconds"],
        score_seconds=facts["score_seconds"],
        samples_shown=facts["samples_shown"],
        device=facts["device"],
    )
