"""More like these: the open tasks whose images look most like some that a person has chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from labelapp.errors import InvalidInputError
from labelapp.models import Task
from labelapp.selectors.open_tasks import ANY_ORDER, open_tasks, tasks_left
from labelapp.selectors.projects import Access
from labelapp.selectors.similar import nearest
from labelapp.services.claims import MAX_CLAIM, Held, claim_chosen
from labelapp.services.leases import check_holding, one_writer, renew

MOST_SEARCHED = 20_000  # open tasks in queue order: about a tenth of a second
MOST_SELECTED = 200
SPARE = 20  # of those found, somebody else may be a moment faster


@dataclass(frozen=True)
class Found:
    """The tasks leased, the most alike first, and how much of what is open was searched."""

    held: list[Held]
    lost: list[int]
    searched: int
    left: int
    complete: bool  # every open image that others do not hold was searched


def more_like(
    *, access: Access, selected: Sequence[int], count: int, holding: Sequence[int] = ()
) -> Found:
    """Lease up to `count` open tasks that look like the selected ones.

    Never tasks of tests, audits and ahead batches (open_tasks.ANY_ORDER). `holding` is what the
    client has already: it is renewed and not given again. Raises InvalidInputError.
    """
    check_holding(holding)
    check_holding(selected)
    if not 0 < len(selected) <= MOST_SELECTED:
        raise InvalidInputError(
            _("`selected` must be a list of 1 to %(most)s task ids.") % {"most": MOST_SELECTED}
        )
    wanted = list(
        Task.objects.filter(project=access.project, pk__in=selected)
        .order_by("pk")
        .values_list("image__seq", flat=True)
    )
    known = {*selected, *holding}
    free = open_tasks(access, ANY_ORDER, MOST_SEARCHED)
    tasks = {task.seq: task.task_id for task in free if task.task_id not in known}
    count = max(0, min(count, MAX_CLAIM))
    found, searched = nearest(access.project, wanted, list(tasks), count + SPARE)
    ids = [tasks[seq] for seq in found]
    with one_writer():
        lost = renew(access=access, holding=holding)
        held = _claim_first(access, ids, count)
    complete = searched == len(tasks) and len(free) < MOST_SEARCHED
    return Found(held, lost, searched, tasks_left(access, ANY_ORDER), complete)


def _claim_first(access: Access, ids: list[int], count: int) -> list[Held]:
    """Lease the first `count` of these that are free, in this order."""
    held: list[Held] = []
    for start in (0, count):
        part = ids[start : start + max(count - len(held), 0)]
        held += claim_chosen(access=access, task_ids=part)
    place = {task_id: number for number, task_id in enumerate(ids)}
    return sorted(held, key=lambda task: place[task.task_id])
