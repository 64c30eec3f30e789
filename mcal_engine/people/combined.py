"""What the machine's promise and the people's error give together for the delivered labels.

The certificate bounds the machine against people: how many labels of S differ from what people
say, or would say. It cannot see what people get wrong. Let X be all N images that are delivered
with a label, S the machine's, H = X \\ S the people's; t(x) the truth, m(x) the machine's label,
and h(x) the label that this way of asking people (answers per image, consensus) gives or would
give, as fixed as t, also where nobody was asked. Then the wrong delivered labels are

    sum_H [h != t] + sum_S [m != t]
        <= sum_H [h != t] + sum_S [m != h] + sum_S [h != t]     (m = h and h = t imply m = t)
         = sum_X [h != t] + sum_S [m != h].

The second sum is at most A with probability >= 1 - alpha_m (the certificate). If n images were
drawn from X by chance, blind to labels and scores, and somebody who knows the truth found k of
their h wrong, the first sum is at most U = max{E : P(Hypergeom(N, E, n) <= k) > alpha_p} with
probability >= 1 - alpha_p, exactly. By the union bound at most A + U delivered labels are wrong
with probability >= 1 - alpha_m - alpha_p, however the two depend on one another. Wrong labels
that the review found in H and put right may be taken off: A + U - corrected.

Which samples are drawn from X: the test marks (uniform over X; those that joined B included), and
any uniform part of them. A sample of the labels that people gave is drawn from H: it bounds
sum_H alone, and sum_S [h != t], the pictures that machine and people would both get wrong, stays
unknown. Gold speaks of images like the gold ones, overlap only of errors that people do not
share. From those there is at best an estimate, and it is called one.

Images that nobody can label are delivered without one and counted as wrong: X is then the rest,
and they are added.

Not bounded by anything here: a reviewer who is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from mcal_engine.people.human_error import Covers, HumanError, Source

ROUNDING = 1e-6  # of an image: what a share times a population may be off


class Missing(StrEnum):
    """Why there is no bound on all delivered labels."""

    NOTHING = ""
    NO_MEASURE = "no_measure"
    ONLY_HUMAN_LABELS = "only_human_labels"
    NOT_REPRESENTATIVE = "not_representative"
    ONLY_ESTIMATED = "only_estimated"


@dataclass(frozen=True)
class Machine:
    """The certificate: at most `wrong_at_most` of S against people; nothing where S is empty."""

    promise: str
    labels: int  # |S|
    wrong_at_most: int
    confidence: float


@dataclass(frozen=True)
class Together:
    """At most this many delivered labels are wrong; an estimate where `bound` is False."""

    wrong_at_most: int
    share: float
    confidence: float
    bound: bool


@dataclass(frozen=True)
class Combined:
    """The three numbers of the promise, and what is missing for the third.

    `images` are all N of X, `excluded` those that nobody could label (never counted as right).
    """

    images: int
    excluded: int
    machine: Machine
    people: HumanError | None
    people_wrong_at_most: int | None
    together: Together | None
    missing: Missing


def combined(
    *,
    images: int,
    excluded: int,
    machine: Machine,
    people: HumanError | None,
    corrected: int = 0,
    confidence: float = 0.95,
) -> Combined:
    """Add the people's upper limit over X to the machine's.

    `people` is the best estimate there is (`human_error.best`), its `upper` one-sided at
    `confidence`; `corrected` of its wrong labels were put right. Where it bounds nothing beyond
    the people's own labels there is no sum. With an empty S the people's labels are all there is.
    """
    if people is None:
        missing = Missing.NO_MEASURE
    elif people.covers is Covers.HUMAN_LABELS and machine.labels > 0:
        missing = Missing.ONLY_HUMAN_LABELS
    elif people.source is Source.GOLD:
        missing = Missing.NOT_REPRESENTATIVE
    elif not people.bound:
        missing = Missing.ONLY_ESTIMATED
    else:
        missing = Missing.NOTHING
    of_people = None if people is None else _count(people, images)
    together = None
    if of_people is not None and missing in {Missing.NOTHING, Missing.ONLY_ESTIMATED}:
        wrong = min(max(machine.wrong_at_most + of_people + excluded - corrected, 0), images)
        sure = max(machine.confidence + confidence - 1.0, 0.0)
        together = Together(wrong, wrong / max(images, 1), sure, missing is Missing.NOTHING)
    return Combined(images, excluded, machine, people, of_people, together, missing)


def _count(people: HumanError, images: int) -> int:
    """Return the upper limit in images: of its own population, or of all where it has none."""
    population = images if people.population is None else people.population
    return min(ceil(people.upper * population - ROUNDING), population)
