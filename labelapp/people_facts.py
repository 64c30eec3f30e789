"""What is known of the people, as plain values: made by services, read by engine_people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class VoteRows:
    """Current answers in the order in which they were given: columns of one length.

    Of a person's answers to one image (asked in two batches) the last counts.
    """

    images: Sequence[int]  # any number that names the image, such as its seq
    people: Sequence[int]  # user ids
    classes: Sequence[int]  # class indexes


@dataclass(frozen=True, slots=True)
class Decided:
    """The label that several answers come to; `agreement` is the share of them that say it."""

    image: int
    class_index: int
    votes: int
    agreement: float


@dataclass(frozen=True)
class Scored:
    """A model's probabilities of all images, and the images that it was trained on (by seq)."""

    probs: Path  # .npy, [N, classes]
    trained_on: frozenset[int]


@dataclass(frozen=True)
class Person:
    """What was counted of one person. `gold` are (truth, given) class indexes."""

    user: int
    name: str
    answers: int
    gold: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True)
class Sample:
    """A finished random sample that a reviewer looked at, and what it was drawn from."""

    source: str  # test_review or review
    population: int
    n: int
    wrong: int
    corrected: int


@dataclass(frozen=True)
class Promise:
    """What the certificate says: at most `wrong_at_most` of `labels` differ from people."""

    promise: str
    labels: int
    wrong_at_most: int
    confidence: float


@dataclass(frozen=True)
class Facts:
    """All that a report of the people is made from."""

    classes: dict[int, str]
    class_count: int
    people: Sequence[Person]
    votes: VoteRows  # of images with two answers or more
    samples: Sequence[Sample] = ()
    images: int = 0
    excluded: int = 0
    promise: Promise | None = None
    confidence: float = 0.95
    also: dict[str, Any] = field(default_factory=dict)  # parts that are reported as they are
