"""Verify by exception: which images a page may show, what is planted among them, attention."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Count, Q, QuerySet, Sum

from labelapp.models import Answer, GoldItem, Image, Label, Project, Task, User, VerifyPage
from labelapp.selectors.open_tasks import open_tasks
from labelapp.selectors.predictions import Guess, guesses, marked_images
from labelapp.selectors.projects import Access

PURPOSES = frozenset({"train", "residual"})
"""Batches that are verified: never tests and audits; an ahead batch keeps its order."""

MOST_LOOKED_AT = 10_000  # open tasks in queue order
_MEASURING = ("test", "audit")
_REMEMBERED = 20  # pages of one person whose wrong tiles do not come again
_WINDOW = 5_000  # images among which plants are looked for


class Candidate(NamedTuple):
    """An open task and what the model says of its image."""

    task_id: int
    image_id: int
    seq: int
    guess: Guess


def candidates(access: Access) -> list[Candidate]:
    """Return the open tasks that could be verified, in queue order; archived classes left out."""
    tasks = open_tasks(access, PURPOSES, MOST_LOOKED_AT)
    known = guesses(access.project, [task.seq for task in tasks])
    active = set(access.project.classes.filter(archived=False).values_list("index", flat=True))
    passed = _marked_wrong(access)
    return [
        Candidate(*task, known[task.seq])
        for task in tasks
        if task.seq in known
        and known[task.seq].class_index in active
        and task.task_id not in passed
    ]


def _marked_wrong(access: Access) -> set[int]:
    """Return the tasks that this person marked as wrong lately: others are asked."""
    pages = VerifyPage.objects.filter(
        project=access.project, user=access.user, state=VerifyPage.State.TAKEN
    ).order_by("-created")
    rows = pages.values_list("tiles", flat=True)[:_REMEMBERED]
    return {tile["task"] for tiles in rows for tile in tiles if tile.get("wrong")}


def per_class(found: Iterable[Candidate]) -> Counter[int]:
    """Return how many of them each class has."""
    return Counter(one.guess.class_index for one in found)


def unmarked(access: Access, found: list[Candidate]) -> list[Candidate]:
    """Return those that are no test marks."""
    marked = marked_images(access.project, [one.image_id for one in found])
    return [one for one in found if one.image_id not in marked]


def plants(access: Access, class_index: int, count: int, seed: str) -> list[int]:
    """Return up to `count` images (seqs) that are known to be of another class, by this seed.

    Gold, and images that two people or a reviewer gave another class. None that measures the
    machine (marked, tested, audited), and none that this person has answered.
    """
    known = [*_gold(access.project, class_index), *_trusted(access.project, class_index, seed)]
    known.sort(key=lambda row: _chance(seed, row[1]))
    found: list[int] = []
    for start in range(0, len(known), 50):
        part = dict(known[start : start + 50])
        unfit = _unfit(access, list(part))
        found += [seq for pk, seq in part.items() if pk not in unfit]
        if len(found) >= count:
            break
    return found[:count]


def _gold(project: Project, class_index: int) -> list[tuple[int, int]]:
    items = GoldItem.objects.filter(project=project, active=True)
    others = items.exclude(label_class__index=class_index)
    return list(others.values_list("image_id", "image__seq")[:_WINDOW])


def _trusted(project: Project, class_index: int, seed: str) -> list[tuple[int, int]]:
    """Return images that several people or a reviewer gave another class, from a random window."""
    start = int.from_bytes(_chance(seed, -1)[:8], "big") % max(1, _last_seq(project) + 1)
    labels = Label.objects.filter(project=project, source=Label.Source.HUMAN)
    sure = labels.filter(Q(votes__gte=2, agreement=1.0) | Q(method="review"))
    rows = sure.exclude(class_index=class_index).exclude(purpose__in=_MEASURING)
    return [
        *_window(rows, start, start + _WINDOW),
        *(_window(rows, max(0, start - _WINDOW), start) if start else ()),
    ]


def _window(rows: QuerySet[Label], first: int, end: int) -> list[tuple[int, int]]:
    part = rows.filter(seq__gte=first, seq__lt=end).order_by("seq")
    return list(part.values_list("image_id", "seq")[:_WINDOW])


def _last_seq(project: Project) -> int:
    seqs = Image.objects.filter(project=project).order_by("-seq").values_list("seq", flat=True)
    return seqs.first() or 0


def _unfit(access: Access, image_ids: list[int]) -> set[int]:
    """Return which of these images must not be planted on this person's page."""
    measuring = Task.objects.filter(
        project=access.project, image_id__in=image_ids, batch__purpose__in=_MEASURING
    )
    mine = Answer.objects.filter(image_id__in=image_ids, user=access.user)
    return (
        marked_images(access.project, image_ids)
        | set(measuring.values_list("image_id", flat=True))
        | set(mine.values_list("image_id", flat=True))
    )


def _chance(seed: str, number: int) -> bytes:
    return hashlib.sha256(f"{seed}:{number}".encode()).digest()


def sizes_of(project: Project, seqs: list[int]) -> dict[int, tuple[int, int]]:
    """Return width and height of these images by seq."""
    rows = Image.objects.filter(project=project, seq__in=seqs)
    return {
        seq: (width, height) for seq, width, height in rows.values_list("seq", "width", "height")
    }


def shuffled(seqs: list[int], seed: str) -> list[int]:
    """Return the numbers in an order that depends on the seed alone."""
    return sorted(seqs, key=lambda seq: _chance(seed, seq))


# --- attention -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attention:
    """How well a person looks at pages of one class: what they caught of what was planted."""

    user_id: int
    pages: int  # answered
    returned: int  # sent back: too fast, or a plant was passed over
    plants: int
    caught: int

    @property
    def share(self) -> float | None:
        """The share of the plants that were caught; None without any."""
        return self.caught / self.plants if self.plants else None


def attention(project: Project, user: User | None = None) -> list[Attention]:
    """Return the attention of everybody who has answered such a page, or of one person."""
    pages = VerifyPage.objects.filter(project=project).exclude(state=VerifyPage.State.OPEN)
    if user is not None:
        pages = pages.filter(user=user)
    rows = (
        pages.values("user_id")
        .annotate(
            pages=Count("pk"),
            returned=Count("pk", filter=Q(state=VerifyPage.State.RETURNED)),
            planted=Sum("plants"),
            found=Sum("caught"),
        )
        .order_by("user_id")
    )
    return [
        Attention(row["user_id"], row["pages"], row["returned"], row["planted"], row["found"])
        for row in rows
    ]
