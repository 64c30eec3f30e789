"""Bulk actions on a filter of images, as a job: it goes on where it was, and can be cancelled.

First the images are counted, then a person confirms the number, then each image goes the way of
`services.image_actions`. What is done lies in `Job.params` with the place of the walk, so a
killed worker repeats a few images at most, and repeating is harmless. Reviews that the action
made carry its mark: they are what an undo takes back, image by image.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labelapp import events, queue
from labelapp.errors import ConflictError, InvalidInputError, NotFoundError, UnknownClassError
from labelapp.models import Image, Job, Project, Review, User
from labelapp.selectors import browse
from labelapp.selectors import projects as visible
from labelapp.selectors.browse_query import Query, parse
from labelapp.selectors.browse_sql import Found, Place
from labelapp.selectors.projects import Access
from labelapp.services import audit, image_actions
from labelapp.services.image_actions import Action

if TYPE_CHECKING:
    from labelapp.queue import JobControl

MOST_CHOSEN = 2_000  # images named one by one
COUNT_SECONDS = 0.4  # so long the page itself counts; beyond that the worker does
STEP = 200
SAVE_SECONDS = 1.0
MOST_REASONS = 10


# --- what the page does ------------------------------------------------------------------------


def prepare(*, access: Access, query: Query, action: Action, seqs: Sequence[int] = ()) -> Job:
    """Count what the action would be done to; the job that is returned knows or will know.

    `seqs` names images instead of the query. Raises ForbiddenError, InvalidInputError,
    UnknownClassError, ConflictError.
    """
    image_actions.need(access, action.kind)
    if len(seqs) > MOST_CHOSEN:
        raise InvalidInputError(_("Choose fewer images, or act on all that the filter shows."))
    if action.kind == "label":
        classes = access.project.classes.filter(archived=False)
        if action.class_index not in classes.values_list("index", flat=True):
            raise UnknownClassError(_("The project has no such class."))
    if not seqs:
        _check_blind(access.project, query, action)
    params: dict[str, Any] = {
        "stage": "count",
        "user": access.user.pk,
        "query": replace(query, sort="").encoded(),
        "seqs": sorted(set(seqs)),
        "action": action.kind,
        "class": action.class_index,
    }
    total = _count_now(access.project, query, seqs)
    if total is not None:
        return Job.objects.create(
            kind="bulk",
            key=f"bulk:{access.project.pk}:count",
            project=access.project,
            state=Job.State.DONE,
            progress=1.0,
            finished=timezone.now(),
            params=params | {"total": total},
        )
    key = f"bulk:{access.project.pk}:count:{access.user.pk}:{time.time_ns()}"
    with transaction.atomic():
        return queue.enqueue("bulk", key, project_id=access.project.pk, params=params)


def _check_blind(project: Project, query: Query, action: Action) -> None:
    """Nothing leaves the rest by what the model says: T, which it says nothing of, would stay."""
    going = project.status in {Project.Status.RUNNING, Project.Status.PAUSED}
    if going and action.kind == "exclude" and query.asks_model:
        raise ConflictError(
            _(
                "While the run goes on, images cannot be excluded by what the model says of them: "
                "the test set would no longer be like the rest. Send them to review instead."
            )
        )


def _count_now(project: Project, query: Query, seqs: Sequence[int]) -> int | None:
    """Return the exact number, None where counting would take too long for a page."""
    if seqs:
        return Image.objects.filter(project=project, seq__in=list(seqs)).count()
    began, total = time.monotonic(), 0
    for step in browse.sweep(project, replace(query, sort="")):
        total += len(step.found)
        if step.after is not None and time.monotonic() - began > COUNT_SECONDS:
            return None
    return total


def confirm(*, access: Access, job_id: int) -> Job:
    """Do what was counted. Raises NotFoundError, ConflictError while another one is under way."""
    counted = find(access, job_id)
    params = dict(counted.params)
    if params.get("stage") != "count" or counted.state != Job.State.DONE:
        raise ConflictError(_("The images are still being counted."))
    image_actions.need(access, params["action"])
    if params["user"] != access.user.pk:
        raise NotFoundError(_("There is no such action."))
    params |= {"stage": "do", "counted": counted.pk, "seen": 0, "skipped": {}}
    job = _start(access, params)
    return job


def undo(*, access: Access, job_id: int) -> Job:
    """Take a whole bulk action back, as far as nothing was built on it; only who did it may.

    Raises NotFoundError, ConflictError where it cannot be taken back.
    """
    done = find(access, job_id)
    params = dict(done.params)
    if params.get("user") != access.user.pk:
        raise NotFoundError(_("There is no such action."))
    if params.get("stage") != "do" or params["action"] == "readmit" or done.state in queue.LIVE:
        raise ConflictError(_("This cannot be taken back in one step."))
    image_actions.need(access, params["action"])
    params |= {"stage": "undo", "of": done.pk, "seen": 0, "skipped": {}}
    return _start(access, params)


def _start(access: Access, params: dict[str, Any]) -> Job:
    key = f"bulk:{access.project.pk}"
    with transaction.atomic():
        job = queue.enqueue("bulk", key, project_id=access.project.pk, params=params)
        if job.params != params:
            raise ConflictError(_("Another bulk action is under way: wait for its end."))
        audit.write(
            user=access.user,
            project=access.project,
            action="bulk.undone" if params["stage"] == "undo" else "bulk.started",
            target=str(params.get("of", job.pk)),
            after={name: params[name] for name in ("action", "class", "query", "total")},
        )
    return job


def find(access: Access, job_id: int) -> Job:
    """Return a bulk job of this project; raise NotFoundError."""
    job = Job.objects.filter(pk=job_id, project=access.project, kind="bulk").first()
    if job is None:
        raise NotFoundError(_("There is no such action."))
    return job


def cancel(*, access: Access, job_id: int) -> None:
    """End a bulk action where it is; what is done stays, and can be taken back."""
    job = find(access, job_id)
    image_actions.need(access, job.params["action"])
    queue.request_cancel(job)


# --- what the worker does ----------------------------------------------------------------------


def run_bulk(job: Job, control: JobControl) -> None:
    """Do the action of `job.params` to every image of its filter."""
    project = Project.objects.get(pk=job.project_id or 0)
    user = User.objects.get(pk=job.params["user"])
    access = visible.access(user, project.public_id)
    image_actions.need(access, job.params["action"])
    work = _Work(job, control, access)
    {"count": work.count, "do": work.do, "undo": work.undo}[job.params["stage"]]()


class _Work:
    """One bulk job in the worker: its counts and its place are saved each second."""

    def __init__(self, job: Job, control: JobControl, access: Access) -> None:
        self.job, self.control, self.access = job, control, access
        self.params: dict[str, Any] = dict(job.params)
        self.project = access.project
        self.query = parse(dict(parse_qsl(self.params["query"])))
        self.saved = time.monotonic()

    def count(self) -> None:
        """Count the images of the filter."""
        total = 0
        for step in self._steps():
            total += len(step)
            self.control.tick(None, f"{total:,} images so far")
        self.params["total"] = total
        self._save()

    def do(self) -> None:
        """Do it to image after image; what one image does not allow is counted, not fatal."""
        mark = f"bulk:{self.job.pk}"
        action = Action(self.params["action"], self.params["class"], free=True, mark=mark)
        try:
            for step in self._steps():
                if action.kind == "review":
                    self._send(step, mark)
                else:
                    for row in step:
                        self._one(row, action)
                self._reached(step)
        finally:
            self._end("labels.changed")

    def _send(self, step: list[Found], mark: str) -> None:
        ids = [row.image_id for row in step]
        sent = image_actions.send_to_review(access=self.access, image_ids=ids, mark=mark)
        mine = Review.objects.filter(image_id__in=ids, note=mark).count()
        self.params["seen"] += len(ids)
        self._skip(_SENT, len(ids) - max(sent, mine))

    def _one(self, row: Found, action: Action) -> None:
        try:
            image_actions.act(access=self.access, image_id=row.image_id, action=action)
        except (ConflictError, UnknownClassError) as error:
            self._skip(error.message, 1)
        self.params["seen"] += 1
        self.params["after"] = [row.key, row.seq]
        self._report()

    def undo(self) -> None:
        """Take back what the action did: its reviews, the last one first, a page at a time."""
        mine = Q(reviewer=None) | Q(reviewer_id=self.params["user"])
        rows = Review.objects.filter(mine, image_actions.marked(f"bulk:{self.params['of']}"))
        rows, last = rows.filter(project=self.project).order_by("-pk"), None
        try:
            while page := list((rows if last is None else rows.filter(pk__lt=last))[:STEP]):
                for review in page:
                    self._back(review)
                last = page[-1].pk
        finally:
            self._end("labels.changed")

    def _back(self, review: Review) -> None:
        try:
            image_actions.take_back(access=self.access, review=review)
        except ConflictError as error:
            self._skip(error.message, 1)
        self.params["seen"] += 1
        self._report()

    def _steps(self) -> Any:
        """Yield the images from the saved place on, in parts."""
        place = self.params.get("after")
        after = None if place is None else Place(*place)
        if self.params["seqs"]:
            rows = Image.objects.filter(project=self.project, seq__in=self.params["seqs"])
            rows = rows.filter(seq__gt=-1 if after is None else after.seq).order_by("seq")
            chosen = [Found(None, seq, pk) for pk, seq in rows.values_list("pk", "seq")]
            for start in range(0, len(chosen), STEP):
                yield chosen[start : start + STEP]
            return
        for step in browse.sweep(self.project, self.query, after, STEP):
            yield step.found

    def _reached(self, step: list[Found]) -> None:
        if step:
            self.params["after"] = [step[-1].key, step[-1].seq]
        self._report()

    def _skip(self, why: str, count: int) -> None:
        skipped = self.params["skipped"]
        if count > 0 and (why in skipped or len(skipped) < MOST_REASONS):
            skipped[why] = skipped.get(why, 0) + count

    def _report(self) -> None:
        if time.monotonic() - self.saved > SAVE_SECONDS:
            self._save()
        seen, total = self.params["seen"], max(self.params.get("total", 0), 1)
        self.control.tick(seen / total, f"{seen:,} of {total:,} images")

    def _save(self) -> None:
        self.saved = time.monotonic()
        if not queue.owned(self.job).update(params=self.params):
            raise queue.JobLost

    def _end(self, type_: str) -> None:
        """Write where it ended, and tell the pages; also where it is cancelled or fails."""
        with transaction.atomic():
            if queue.owned(self.job).update(params=self.params):
                payload = {name: self.params[name] for name in ("action", "stage", "seen")}
                events.record(self.project.pk, type_, payload)


_SENT = gettext_noop("They wait there already, or have no label that may change now.")
