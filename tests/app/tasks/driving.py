"""Drive a whole run in one process: jobs inline, people who answer at once."""

from __future__ import annotations

import io
import uuid
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from labelapp import tasks
from labelapp.models import Image, Job, Project, User
from labelapp.rights import Right
from labelapp.selectors.projects import Access, access
from labelapp.services import labelling, runs
from labelapp.services.leases import task_token
from tests.app.tasks.driving_commands import FAKE_TRAINER

__all__ = ["FAKE_TRAINER"]


def true_class(seq: int, classes: int = 3) -> int:
    """Return the known class of an image of `fill`: spread so that no class comes in streaks."""
    return (seq * 7 + seq // 5) % classes


@cache
def pictures(count: int, side: int) -> list[bytes]:
    """Return the files of `fill`: many tests of one process want the same ones."""
    rng = np.random.default_rng(0)
    files = []
    for seq in range(count):
        level = 40 + 80 * true_class(seq)
        pixels = np.clip(rng.normal(level, 12, (side, side)), 0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Pillow.fromarray(pixels).save(buffer, "PNG", compress_level=1)
        files.append(buffer.getvalue())
    return files


def fill(project: Project, media: Path, count: int, side: int = 16) -> None:
    """Give the project images whose brightness tells their class, with noise."""
    folder = media / "test" / str(project.pk)
    folder.mkdir(parents=True)
    rows = []
    for seq, content in enumerate(pictures(count, side)):
        (folder / f"{seq}.png").write_bytes(content)
        key = f"test/{project.pk}/{seq}.png"
        rows.append(
            Image(
                project=project,
                seq=seq,
                sha256=f"{seq:064d}",
                name=f"{seq}.png",
                width=side,
                height=side,
                size=len(content),
                original_key=key,
                display_key=key,
            )
        )
    Image.objects.bulk_create(rows)
    project.counter.images = count
    project.counter.save(update_fields=["images"])


def start(project: Project, user: User):
    """Start the run as this person."""
    return runs.start_run(access=access(user, project.public_id, Right.STEER))


def do_one(job: Job) -> str:
    """Do this job now, due or not; return how it ended."""
    Job.objects.filter(pk=job.pk).update(not_before=None)
    return tasks.run_job(job.pk)


def do_jobs(limit: int = 20) -> list[str]:
    """Do waiting jobs, due or not, until none is left; return how they ended."""
    ends = []
    while job := Job.objects.filter(state=Job.State.WAITING).order_by("pk").first():
        ends.append(f"{job.kind} {do_one(job)}")
        assert len(ends) < limit, ends
    return ends


def answer_all(project: Project, user: User, answer=true_class) -> int:
    """Answer every open task with the known class; return how many."""
    seen = access(user, project.public_id, Right.LABEL)
    seqs = dict(Image.objects.filter(project=project).values_list("pk", "seq"))
    answered = 0
    held = labelling.next_tasks(access=seen, count=20).held
    while held:
        given = [make_answer(seen, task.task_id, answer(seqs[task.image_id])) for task in held]
        work = labelling.submit(access=seen, answers=given, count=20)
        assert all(result["ok"] for result in work.results), work.results
        answered += len(held)
        held = work.held
    return answered


def work_ahead(project: Project, user, count: int) -> int:
    """Answer up to `count` tasks one by one, as a page does that shows the next one at once."""
    who = access(user, project.public_id, Right.LABEL)
    seqs = dict(Image.objects.filter(project=project).values_list("pk", "seq"))
    answered = 0
    held = labelling.next_tasks(access=who, count=3).held
    while held and answered < count:
        task = held[0]
        given = [make_answer(who, task.task_id, true_class(seqs[task.image_id]))]
        others = [one.task_id for one in held[1:]]
        rest = {"holding": others, "on_screen": others[0] if others else None}
        work = labelling.submit(access=who, answers=given, count=1, **rest)
        assert work.results[0]["ok"], work.results
        held = [*held[1:], *work.held]
        answered += 1
    return answered


def make_answer(seen: Access, task_id: int, label: int) -> dict[str, object]:
    """Return an answer as a client sends it."""
    token = task_token(task_id=task_id, user_id=seen.user.pk, project_id=seen.project.pk)
    return {
        "id": str(uuid.uuid4()),
        "task": task_id,
        "token": token,
        "kind": "class",
        "class": label,
        "active_ms": 300,
        "how": "key",
        "guideline_version": 0,
    }


def run_to_the_end(project: Project, user: User, rounds: int = 60, answer=true_class) -> None:
    """Let people and the worker take turns until the project is finished."""
    for _ in range(rounds):
        answer_all(project, user, answer)
        do_jobs()
        project.refresh_from_db()
        if project.status == Project.Status.FINISHED:
            return
    raise AssertionError(f"not finished: {project.run.waiting_for} {project.run.failure}")
