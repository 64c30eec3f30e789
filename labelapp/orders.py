"""What the engine asks to have done and what it is told, as plain records without the engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class LabelOrder:
    """People label `buy`, in this order; `train` join B, `mark` become test marks. Image numbers.

    An audit names the `frozen` model (SHA-256) and its `commitment`, which is to be stored before
    the first label is asked for.
    """

    id: str
    purpose: str
    iteration: int
    buy: list[int]
    train: list[int]
    mark: list[int]
    frozen: str = ""
    commitment: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainOrder:
    """Train fresh weights of each architecture on all of B, then score every image.

    `features`: the last hidden layer's outputs are wanted, too.
    """

    id: str
    iteration: int
    archs: list[str]
    seed: int
    features: bool = False


@dataclass(frozen=True)
class MachineOrder:
    """Store these machine labels. `margins` lie in 0..1; the three lists go together."""

    id: str
    iteration: int
    items: list[int]
    classes: list[int]
    margins: list[float]
    model: str
    certificate: dict[str, Any]


@dataclass(frozen=True)
class EndOrder:
    """Every image has its label."""

    id: str
    outcome: str
    reason: str


Order = LabelOrder | TrainOrder | MachineOrder | EndOrder
KINDS: dict[type, str] = {
    LabelOrder: "label",
    TrainOrder: "train",
    MachineOrder: "machine",
    EndOrder: "finished",
}


@dataclass(frozen=True)
class Step:
    """What one step of the engine asks to write down.

    `orders` are carried out in this order; only the last one waits for people or the worker.
    `record` and `plan` are set when the step answered a training: the leader's; `others` are the
    records of the architectures that raced with it. `early` are the images that people get while
    the training runs that is asked for, in their order.
    """

    state: dict[str, Any]
    orders: list[Order]
    iteration: int
    record: dict[str, Any] | None = None
    others: list[dict[str, Any]] = field(default_factory=list)
    plan: dict[str, Any] | None = None
    histogram: dict[str, Any] = field(default_factory=dict)
    profile: dict[str, Any] = field(default_factory=dict)
    early: list[int] = field(default_factory=list)

    @property
    def outstanding(self) -> Order:
        """The order that the run waits for from now on."""
        return self.orders[-1]


@dataclass(frozen=True)
class Training:
    """A finished training of one architecture: where its score arrays lie and what it took."""

    arch: str
    folder: Path
    sha256: str
    train_seconds: float
    score_seconds: float
    samples_shown: int
    device: str = ""


@dataclass(frozen=True)
class Frozen:
    """A stored model whose scores the engine wants back with the labels of its audit."""

    folder: Path
    sha256: str


@dataclass(frozen=True)
class Ahead:
    """How many images to choose for people while a training runs, and the last models by name."""

    count: int
    models: Mapping[str, Frozen]
