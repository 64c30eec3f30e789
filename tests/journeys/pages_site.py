"""A server on which every page has something to show, for tests that look at all of them.

`python -m tests.journeys.pages_site` fills the database of its environment and prints what is in
it; the tests never touch the ORM (it and Playwright's sync API do not go together).
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path

from tests.app.web.labelling_site import CLASSES, ROOT, Server, Site, environment, free_port, make


@contextmanager
def running_pages(folder: Path):
    """Fill the folder, start a web process on it, and stop it at the end."""
    folder.mkdir(parents=True)
    made = subprocess.run(
        [sys.executable, "-m", "tests.journeys.pages_site"],
        cwd=ROOT,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr[-3000:]
    facts = json.loads(made.stdout.splitlines()[-1])
    server = Server(folder, free_port())
    server.start()
    try:
        site = Site(server.address, facts["project"], facts["sessions"], folder, server)
        yield site, facts["pages"]
    finally:
        server.stop()


def fill() -> dict[str, object]:
    """Make the projects and people; return sessions and the addresses of all pages."""
    facts = make(24, list(CLASSES))
    from django.test import Client  # noqa: PLC0415 - `make` sets Django up

    from labelapp.models import Membership, Project, User  # noqa: PLC0415
    from labelapp.rights import Role  # noqa: PLC0415
    from tests.app import dashboard_data  # noqa: PLC0415

    owner = User.objects.create_superuser("olga@example.org", "correct horse", display_name="Olga")
    shapes = Project.objects.get(public_id=facts["project"])
    shapes.created_by = owner
    shapes.save(update_fields=["created_by"])
    dashboard_data.beat()
    going = _project(owner, "Clothes")
    dashboard_data.running(going)
    _asked(going, owner)
    over = _project(owner, "Birds")
    dashboard_data.finished(over)
    fresh = _project(owner, "Letters")
    Membership.objects.create(project=shapes, user=owner, role=Role.OWNER)
    problems = _images(shapes, owner)
    invitation = _people(shapes, owner)
    _guidelines(shapes, owner)
    _quality(shapes, owner)
    _jobs(shapes)
    hook = _news(shapes, owner)
    client = Client()
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    sessions = {**facts["sessions"], "olga": client.cookies["sessionid"].value}
    return {
        "project": shapes.public_id,
        "sessions": sessions,
        "pages": _pages(shapes, going, over, fresh, problems, invitation, hook),
    }


def _project(owner, name: str):
    from labelapp.models import LabelClass, Membership, Project, ProjectCounter  # noqa: PLC0415

    project = Project.objects.create(name=name, created_by=owner)
    ProjectCounter.objects.create(project=project)
    for index, word in enumerate(["one", "two", "three"]):
        LabelClass.objects.create(
            project=project, index=index, name=word, key=str(index + 1), colour="#8899aa"
        )
    Membership.objects.create(project=project, user=owner, role="owner")
    return project


def _asked(project, owner) -> None:
    """Let things have been asked of the run: steps of steering, other terms."""
    from labelapp.models import SteeringAction  # noqa: PLC0415
    from labelapp.services import audit  # noqa: PLC0415

    for action, params, said in [
        ("classes", {"what": "added", "words": "ring", "index": 9}, {}),
        ("stop", {"left": 12}, {"now": "12.40", "total": "161.42"}),
    ]:
        SteeringAction.objects.create(
            project=project, user=owner, action=action, params=params, said=said, spent=0
        )
    values = {"before": {"epsilon": 0.05}, "after": {"epsilon": 0.03}}
    audit.write(user=owner, project=project, action="run.changed", **values)


def _images(project, owner) -> int:
    from labelapp.models import Export, Import, ImportProblem  # noqa: PLC0415

    record = Import.objects.create(
        project=project,
        kind="zip",
        source="shapes.zip",
        state="done",
        total=30,
        cursor=30,
        added=24,
        duplicates=2,
        rejected=4,
        created_by=owner,
    )
    Import.objects.create(
        project=project,
        kind="files",
        source="more",
        state="failed",
        total=3,
        cursor=1,
        message="The disk is full. Free some space, then press Continue: nothing is lost.",
        created_by=owner,
    )
    ImportProblem.objects.create(
        record=record, name="notes.txt", code="not_an_image", message="The file is empty."
    )
    for state in ("done", "failed", "running"):
        Export.objects.create(project=project, format="coco", state=state, created_by=owner)
    return record.pk


def _people(project, owner) -> str:
    from labelapp.rights import Right  # noqa: PLC0415
    from labelapp.selectors.projects import access  # noqa: PLC0415
    from labelapp.services.people import create_invitation  # noqa: PLC0415

    seen = access(owner, project.public_id, Right.MANAGE_PEOPLE)
    _made, token = create_invitation(access=seen, role="annotator", note="for Ann", days=7)
    return token


def _guidelines(project, owner) -> None:
    from labelapp.models import Guideline, GuidelineEntry, Image, LabelClass  # noqa: PLC0415

    first = LabelClass.objects.get(project=project, index=0)
    for version in (1, 2):
        guideline = Guideline.objects.create(
            project=project, version=version, text="Go by the outline.", created_by=owner
        )
        entry = GuidelineEntry.objects.create(guideline=guideline, label_class=first, text="round")
        entry.examples.set(Image.objects.filter(project=project)[:2])


def _quality(project, owner) -> None:
    from labelapp.models import (  # noqa: PLC0415
        Answer,
        Comment,
        GoldItem,
        GoldResult,
        Image,
        LabelClass,
        Review,
        Task,
        User,
    )

    images = list(Image.objects.filter(project=project).order_by("-seq")[:6])
    first = LabelClass.objects.get(project=project, index=0)
    ann = User.objects.get(email="ann@example.org")
    for image, source in zip(images[:2], ["uploaded", "reviewed"], strict=True):
        GoldItem.objects.create(
            project=project, image=image, label_class=first, source=source, created_by=owner
        )
    task = Task.objects.filter(project=project, image=images[0]).first()
    answer = Answer.objects.create(
        id=uuid.uuid4(),
        task=task,
        batch=task.batch,
        project=project,
        image=images[0],
        user=ann,
        kind="class",
        label_class=LabelClass.objects.get(project=project, index=1),
        active_ms=900,
    )
    GoldResult.objects.create(
        answer=answer, project=project, user=ann, image=images[0], truth=0, given=1, right=False
    )
    for image, reason in zip(images[2:5], ["unsure", "skipped", "disagreement"], strict=True):
        Review.objects.create(project=project, image=image, reason=reason, person=ann)
    Comment.objects.create(
        id=uuid.uuid4(), project=project, image=images[2], user=ann, text="blurred"
    )


def _jobs(project) -> None:
    """Make a job of each state; the first one has a log."""
    from django.utils import timezone  # noqa: PLC0415

    from labelapp.models import Job, JobLine  # noqa: PLC0415

    now = timezone.now()
    for kind, state in [
        *(("people", "running"), ("consensus", "waiting"), ("issues", "failed")),
        *(("bulk", "cancelled"), ("people", "done")),
    ]:
        times = {"started": now, "finished": None if state in {"running", "waiting"} else now}
        job = Job.objects.create(
            kind=kind, key=f"{kind}:{state}", state=state, project=project, heartbeat=now, **times
        )
        for level in ("info", "warning", "error"):
            JobLine.objects.create(job=job, level=level, text="Attempt 1 on here, process 1")


def _news(project, owner) -> int:
    """Make news of every kind and a webhook with a log."""
    from django.db import transaction  # noqa: PLC0415

    from labelapp.models import Delivery, Webhook  # noqa: PLC0415
    from labelapp.services.notify_tell import News, tell  # noqa: PLC0415

    moved = {"before": 412.0, "after": 448.2, "low": 420, "high": 470, "currency": "USD"}
    money = {"level": 0.8, "spent": 812.4, "budget": 1000, "currency": "USD"}
    with transaction.atomic():
        for kind, facts in {
            "batch_ready": {"size": 120},
            "forecast_moved": moved,
            "budget": money,
            "run_steered": {"event": "run.steered", "action": "stop", "by": "Ann", "total": "9.7"}
            | {"currency": "USD"},
            "worker_missing": {"jobs": 2},
            "run_failed": {"message": "The training failed: no memory."},
        }.items():
            tell(project, News(kind, f"made-up:{kind}", facts))
    hook = Webhook.objects.create(
        project=project, url="https://hooks.example.org/x", kinds=["budget"], created_by=owner
    )
    for state, error in (("sent", ""), ("failed", "timeout|"), ("waiting", "")):
        Delivery.objects.create(
            webhook=hook, key=state, kind="budget", body="{}", state=state, error=error
        )
    return hook.pk


def _pages(shapes, going, over, fresh, problems: int, invitation: str, hook: int):
    """Return addresses: of strangers, of an annotator, of the owner."""
    base = f"/p/{shapes.public_id}/"
    owner = [
        *("", "images/", "guidelines/", "guidelines/?edit", "people/", "settings/", "export/"),
        *("label/", "grid/", "verify/", "review/", "quality/", "quality/gold/", "queue/"),
        *("quality/rules/", f"images/imports/{problems}/problems/"),
        *("notifications/", "webhooks/", f"webhooks/{hook}/", "jobs/?open=1", "annotators/"),
        "log/",
    ]
    return {
        "": ["/accounts/login/", "/accounts/password/reset/", f"/invite/{invitation}/", "/x/"],
        "ann": ["/", "/me/", f"{base}label/", f"{base}guidelines/"],
        "olga": [
            *(
                "/",
                "/projects/new/",
                "/people/",
                "/jobs/",
                "/me/",
                "/me/settings/",
                "/me/notifications/",
            ),
            *("/accounts/password/change/", "/accounts/logout/"),
            *("/me/tokens/", "/people/log/", "/accounts/2fa/", "/accounts/reauthenticate/"),
            *(base + rest for rest in owner),
            *(f"/p/{project.public_id}/" for project in (going, over, fresh)),
            *(f"/p/{going.public_id}/{rest}" for rest in ("settings/", "quality/", "steer/")),
            *(f"/p/{going.public_id}/forecast/{rest}" for rest in ("", "machine/", "ledger/")),
            *(f"/p/{over.public_id}/{rest}" for rest in ("settings/", "export/")),
            *(f"/p/{fresh.public_id}/{rest}" for rest in ("settings/", "images/", "label/")),
        ],
    }


if __name__ == "__main__":
    print(json.dumps(fill()))  # noqa: T201 - read by running_pages
