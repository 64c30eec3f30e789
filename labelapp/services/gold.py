"""Gold: images whose class is known, asked among others to measure the people.

`plant` and `judge` run inside the transaction of somebody's answers; what managers do with gold
items is in `services.gold_items`. The run's gold batch is done from the start and counts nothing,
so nothing ever waits for it or shows it as open work.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from labelapp.models import (
    Answer,
    Exclusion,
    GoldItem,
    GoldPlan,
    GoldResult,
    LabelBatch,
    Membership,
    Project,
    Run,
    Task,
)
from labelapp.selectors.projects import Access
from labelapp.services.leases import gives_out_tasks

REQUEST = "gold"
PURPOSE = "gold"
MOST_AT_ONCE = 200  # gold items that one request may assign


@dataclass
class _Plan:
    """A row of GoldPlan as `plant` needs it."""

    id: int
    answers: int
    cursor: int
    onboarded: bool


def plant(*, access: Access, accepted: int) -> None:
    """Assign gold items to a person who has just given `accepted` answers, as the share asks.

    Call it inside the transaction, before the next tasks are claimed; with accepted=0 it only
    gives the onboarding set. Costs one indexed statement where gold is asked, nothing where not,
    and a look at the gold items only when one is due.
    """
    project = access.project
    if not (project.gold_first or (accepted and project.gold_share > 0)):
        return
    if not gives_out_tasks(project) or access.paused_at is not None:
        return
    plan = _plan(access, accepted)
    first = 0 if plan.onboarded or plan.answers > accepted else project.gold_first
    numbers = range(plan.answers - accepted, plan.answers)
    due = first + sum(_is_drawn(access, number) for number in numbers)
    if due:
        _assign(access, plan, min(due, MOST_AT_ONCE), onboards=bool(first))


def _plan(access: Access, accepted: int) -> _Plan:
    """Count the accepted answers in this person's row and return it; make it where it lacks."""
    table = GoldPlan._meta.db_table
    where = " WHERE project_id = %s AND user_id = %s"
    keys = [access.project.pk, access.user.pk]
    with connection.cursor() as cursor:
        if accepted:
            cursor.execute(
                f"UPDATE {table} SET answers = answers + %s{where}"  # noqa: S608 - constant names
                " RETURNING id, answers, cursor, onboarded",
                [accepted, *keys],
            )
        else:
            cursor.execute(f"SELECT id, answers, cursor, onboarded FROM {table}{where}", keys)  # noqa: S608 - constant names
        row = cursor.fetchone()
    if row is not None:
        return _Plan(row[0], row[1], row[2], bool(row[3]))
    return _new_plan(access, accepted)


def _new_plan(access: Access, accepted: int) -> _Plan:
    """Begin with a place of this person's own in the order; who has answered needs no onboarding."""
    pks = GoldItem.objects.filter(project=access.project).aggregate(low=Min("pk"), high=Max("pk"))
    low, high = pks["low"] or 0, pks["high"] or 0
    cursor = low + round(_fraction(access, "start") * (high - low + 1)) - 1
    answered = Answer.objects.filter(project=access.project, user=access.user)
    row, _ = GoldPlan.objects.get_or_create(
        project=access.project,
        user=access.user,
        defaults={"answers": accepted, "cursor": cursor, "onboarded": answered.exists()},
    )
    return _Plan(row.pk, row.answers, row.cursor, row.onboarded)


def _is_drawn(access: Access, number: int) -> bool:
    """Tell whether gold follows this person's answer of this number; nobody can foresee it."""
    share = access.project.gold_share
    return share > 0 and _fraction(access, str(number)) < share


def _fraction(access: Access, what: str) -> float:
    key = f"{access.project.pk}:{access.user.pk}:{what}"
    digest = salted_hmac("labelapp.gold", key, algorithm="sha256").digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _assign(access: Access, plan: _Plan, count: int, *, onboards: bool) -> None:
    """Give this person their next gold items as tasks of their own."""
    items = _next_items(access, plan.cursor, count)
    if not items:
        return  # no gold yet, or all of it was asked: nothing is owed
    batch = gold_batch(access.project)
    images = [image_id for _, image_id in items]
    rows = Task.objects.filter(batch=batch, image_id__in=images).values("image_id")
    slots = dict(rows.annotate(top=Max("slot")).values_list("image_id", "top"))
    Task.objects.bulk_create(
        [
            Task(
                batch=batch,
                project=access.project,
                image_id=image_id,
                slot=slots.get(image_id, -1) + 1,
                rank=number,
                state=Task.State.ASSIGNED,
                lease_user=access.user,
            )
            for number, image_id in enumerate(images)
        ],
        ignore_conflicts=True,  # somebody else took the slot just now: one gold item fewer
    )
    GoldPlan.objects.filter(pk=plan.id).update(
        cursor=items[-1][0], onboarded=plan.onboarded or onboards
    )


def _next_items(access: Access, cursor: int, count: int) -> list[tuple[int, int]]:
    """Return (item, image) of up to `count` items that this person has never seen, in order."""
    fresh = _unseen(access).order_by("pk").values_list("pk", "image_id")
    items = list(fresh.filter(pk__gt=cursor)[:count])
    if len(items) < count:
        items += fresh.filter(pk__lte=cursor)[: count - len(items)]
    return items


def _unseen(access: Access) -> QuerySet[GoldItem]:
    """Return the items whose image this person neither answered nor has before them now."""
    image, me = OuterRef("image_id"), access.user
    held = Task.objects.filter(project=access.project, lease_user=me, image_id=image)
    return GoldItem.objects.filter(
        ~Exists(Answer.objects.filter(image_id=image, user=me)),
        ~Exists(held),
        ~Exists(Exclusion.objects.filter(image_id=image)),
        project=access.project,
        active=True,
        label_class__archived=False,
    )


def gold_batch(project: Project) -> LabelBatch:
    """Return the run's one batch of gold tasks."""
    batch, _ = LabelBatch.objects.get_or_create(
        run=Run.objects.only("pk").get(project=project),
        request_id=REQUEST,
        defaults={
            "project": project,
            "iteration": 0,
            "purpose": PURPOSE,
            "size": 0,
            "remaining": 0,
            "state": LabelBatch.State.DONE,
            "closed": timezone.now(),
        },
    )
    return batch


def judge(*, task: Task, answer: Answer, class_index: int) -> bool:
    """Compare an answer with what is gold for its image; return whether it is right.

    A person's first answer to an item counts; undoing or repeating it changes nothing. Call it
    inside the transaction of the answer, for tasks of the gold batch. An item that was removed
    meanwhile judges nobody: True.
    """
    person = {"project_id": task.project_id, "user_id": answer.user_id}
    first = GoldResult.objects.filter(**person, image_id=task.image_id).first()
    if first is not None:
        return first.right
    items = GoldItem.objects.filter(project_id=task.project_id, image_id=task.image_id)
    truth = items.values_list("label_class__index", flat=True).first()
    if truth is None:
        return True
    right = truth == class_index
    GoldResult.objects.create(
        answer=answer,
        **person,
        image_id=task.image_id,
        truth=truth,
        given=class_index,
        right=right,
    )
    return right


def why_pause(access: Access) -> str:
    """Return the reason to pause this person: too many wrong ones since the last pause; or "".

    Only reads: the pause itself (`pauses.pause_by_rule`) comes when the request has locked all of
    its tasks.
    """
    people = Membership.objects.select_related("project")
    membership = people.filter(project=access.project, user=access.user).first()
    if membership is None or membership.project.gold_pause_below is None:
        return ""
    results = GoldResult.objects.filter(project=access.project, user=access.user)
    if membership.gold_since is not None:
        results = results.filter(created__gt=membership.gold_since)
    found = results.aggregate(all=Count("pk"), right=Count("pk", filter=Q(right=True)))
    below = membership.project.gold_pause_below
    if found["all"] < max(1, membership.project.gold_pause_after):
        return ""
    if found["right"] >= below * found["all"]:
        return ""
    return f"gold:{found['right']}:{found['all']}:{below:g}"
