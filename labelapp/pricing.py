"""What one image costs when people label it: the price of a label times the answers it gets.

The one place that knows. The engine is told this price (C_h) and plans with it; what was spent is
in the ledger, answer by answer, and is never valued again (docs/decisions/011).
"""

from __future__ import annotations

from decimal import Decimal

from django.db.models import Sum

from labelapp.models import LedgerEntry, Project, ProjectCounter

DISAGREEMENTS = Decimal("0.1")  # of images with several answers, before there is anything to count
EXTRA = Decimal("1.5")  # answers that a disagreement takes, likewise
PRIOR = 50  # images that this guess counts for, and that must be done before it is left
MOVED = Decimal("0.02")  # a change of the price below this share is not worth a new plan
DIGITS = Decimal("0.000001")
Done = tuple[Decimal, int]
"""The answers charged so far, and the images that have all theirs."""
PURPOSES = ("test", "seed", "train", "ahead", "audit", "residual")


def per_image(project: Project, done: Done | None = None) -> Decimal:
    """Return what people cost per image: all its answers, and the gold asked among them.

    Gold is a share of a person's answers, paid like all others. Reviews are not in it: they are
    paid as they come.
    """
    gold = 1 + Decimal(str(project.gold_share))
    return (project.price_per_label * answers_per_image(project, done) * gold).quantize(DIGITS)


def answers_per_image(project: Project, done: Done | None = None) -> Decimal:
    """Return how many answers an image is expected to get.

    `overlap` answers on `overlap_share` of the images, one on the others. Where more are asked as
    people disagree, the mean so far, with a guess that counts for 50 images; before 50 images are
    done the guess alone. `done` is what `measured` returns, read here where it is not given.
    """
    share = Decimal(str(project.overlap_share))
    planned = 1 + share * (project.overlap - 1)
    if not is_adaptive(project):
        return planned
    spare = project.overlap_max - project.overlap
    guess = planned + share * DISAGREEMENTS * min(EXTRA, Decimal(spare))
    answers, images = measured(project) if done is None else done
    if images < PRIOR:
        return guess
    most = 1 + share * (project.overlap_max - 1)
    return min(max((guess * PRIOR + answers) / (PRIOR + images), planned), most)


def is_adaptive(project: Project) -> bool:
    """Tell whether people who disagree bring an image further answers."""
    return project.overlap_share > 0 and 1 < project.overlap < project.overlap_max


def measured(project: Project) -> Done:
    """Return the answers charged so far and the images that are complete."""
    counter = ProjectCounter.objects.get(project_id=project.pk)
    booked = LedgerEntry.objects.filter(project_id=project.pk, purpose__in=PURPOSES)
    answers = booked.aggregate(count=Sum("quantity"))["count"] or Decimal(0)
    return answers, images_by_people(counter)


def images_by_people(counter: ProjectCounter) -> int:
    """Return how many images have all the answers that people were to give."""
    return counter.test + counter.train + counter.ahead + counter.audit + counter.residual


def people_alone(counter: ProjectCounter, images: int, price: Decimal) -> Decimal:
    """Return what it costs when people label so many images; what is bought keeps its price."""
    left = images - counter.excluded - images_by_people(counter)
    return counter.label_spend + max(left, 0) * price


def as_planned(project: Project, known: float | None) -> Decimal:
    """Return the price per image that the run plans with (`known`, of its settings).

    None is a project whose run has not started: the price that it would start with.
    """
    if known is None:
        return per_image(project, (Decimal(0), 0))
    return Decimal(str(known)).quantize(DIGITS)


def has_moved(known: float, now: Decimal) -> bool:
    """Tell whether the price per image differs from the known one by more than 2 %."""
    return abs(now - Decimal(str(known))) > MOVED * max(now, Decimal(str(known)))
