"""The pages of jobs: what they show, to whom, and what their buttons do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from labelapp import queue
from labelapp.models import AuditLog, Export, Job, JobLine, Membership, Run, User, WorkerBeat
from labelapp.queue import JobControl
from labelapp.selectors import job_list
from labelapp.selectors.projects import access
from tests.app.conftest import open_batch

pytestmark = pytest.mark.django_db


def make(project, kind: str = "people", state: str = "waiting", **fields) -> Job:
    fields = {"key": f"{kind}:{Job.objects.count()}", "target": project.pk, **fields}
    if state in {"done", "failed", "cancelled"}:
        fields |= {"started": timezone.now(), "finished": timezone.now()}
    return Job.objects.create(kind=kind, state=state, project=project, **fields)


def url(project, name: str = "project_jobs", *extra) -> str:
    return reverse(name, args=[project.public_id, *extra])


@pytest.fixture
def boss(cast, project, sign_in):
    return sign_in(cast.manager)


@pytest.fixture
def viewer(project, sign_in):
    user = User.objects.create_user("viewer@example.org", "x", display_name="Viewer")
    Membership.objects.create(project=project, user=user, role="viewer")
    return sign_in(user)


@pytest.fixture
def superuser(sign_in):
    return sign_in(User.objects.create_superuser("root@example.org", "x"))


def test_the_page_shows_what_runs_waits_failed_and_ended(project, cast, boss):
    queue.beat({"cpu": 40.0, "cores": 2, "memory": [1, 2], "gpus": [], "versions": {"mcal": "1"}})
    export = Export.objects.create(project=project, format="csv", created_by=cast.owner)
    now = timezone.now()
    make(project, "train", "running", progress=0.4, heartbeat=now, seconds_left=90, started=now)
    make(project, "train", "waiting")
    make(project, "export", "failed", target=export.pk, message="Cancelled.")
    make(project, "consensus", "done")
    text = boss.get(url(project)).content.decode()
    for words in ("40&nbsp;%", "about", "Waits until another training has ended", "by Owner"):
        assert words in text
    for words in ("Failed lately", "Labels from several answers", "of 2 cores", "none: trainings"):
        assert words in text


def test_the_page_takes_few_queries_however_many_jobs(project, boss, django_assert_max_num_queries):
    for state in ("running", "waiting", "failed", "done"):
        for kind in ("train", "import", "export", "bulk"):
            make(project, kind, state, heartbeat=timezone.now())
    opened = Job.objects.first().pk
    with django_assert_max_num_queries(12):
        assert boss.get(url(project), {"open": opened}).status_code == 200


def test_a_failure_that_was_repeated_is_not_shown_as_failed_any_more(project, boss):
    make(project, "people", "failed", key="people:a", message="once")
    make(project, "people", "done", key="people:a")
    text = boss.get(url(project)).content.decode()
    assert 'id="jobs-failed" aria-labelledby="h-failed" hidden' in text
    assert "once" in text


def test_history_goes_on_by_key(project, boss):
    made = [make(project, "people", "done", key=f"people:{n}") for n in range(35)]
    first = boss.get(url(project)).content.decode()
    assert f'id="job-ended-{made[34].pk}"' in first
    assert f'id="job-ended-{made[4].pk}"' not in first
    rest = boss.get(url(project), {"before": made[5].pk, "kind": "people"}).content.decode()
    assert f'id="job-ended-{made[4].pk}"' in rest
    assert boss.get(url(project), {"before": "x"}).status_code == 400


def test_what_ended_last_stands_first_and_pages_go_on_there(project, cast, monkeypatch):
    monkeypatch.setattr(job_list, "PAGE", 2)
    now = timezone.now()
    ended = {}
    for name, minutes in [("c", 1), ("a", 30), ("d", 0), ("b", 7), ("e", 7)]:
        job = make(project, "people", "done")
        Job.objects.filter(pk=job.pk).update(finished=now - timedelta(minutes=minutes))
        ended[name] = job.pk
    make(project, "people", "running", heartbeat=now)
    scope, seen, before = job_list.Scope(access(cast.manager, project.public_id)), [], None
    for _page in range(3):
        page = job_list.job_page(scope, before=before)
        seen += [row.job.pk for row in page.ended]
        before = page.older
    assert seen == [ended[name] for name in "dceba"]
    assert before is None


@pytest.mark.parametrize("kind", ["consensus", "people", "bulk", "issues", "export", "train"])
def test_whatever_runs_can_be_cancelled_but_a_step_of_the_run_and_a_deletion(project, boss, kind):
    make(project, kind, "running", heartbeat=timezone.now())
    for never in ("advance", "delete"):
        make(project, never, "running", heartbeat=timezone.now())
    text = boss.get(url(project)).content.decode()
    assert text.count('form="cancel-form"') == 1


def test_a_log_is_opened_for_those_who_steer_only(project, boss, viewer):
    job = make(project, "train", "running", heartbeat=timezone.now())
    JobControl(job).log("step 5 of 10")
    JobControl(job).log("it went wrong", "error")
    for client, seen in ((boss, True), (viewer, False)):
        text = client.get(url(project, "jobs_live"), {"open": job.pk}).content.decode()
        assert ("step 5 of 10" in text) is seen
        assert client.get(url(project, "job_log", job.pk)).status_code == (200 if seen else 403)
    assert b"error it went wrong" in boss.get(url(project, "job_log", job.pk)).content


def test_a_log_keeps_its_last_lines(project, monkeypatch):
    monkeypatch.setattr(queue, "LINES_KEPT", 20)
    control = JobControl(make(project))
    for n in range(101):
        control.log(str(n))
    texts = list(JobLine.objects.order_by("pk").values_list("text", flat=True))
    assert len(texts) <= 21
    assert texts[-1] == "100"


def test_cancelling_a_waiting_export_ends_its_record_too(project, cast, boss):
    export = Export.objects.create(project=project, format="csv", created_by=cast.owner)
    job = make(project, "export", target=export.pk)
    boss.post(url(project, "job_cancel"), {"job": job.pk})
    job.refresh_from_db()
    export.refresh_from_db()
    assert (job.state, export.state) == ("cancelled", "failed")
    assert AuditLog.objects.filter(action="job.cancelled", user=cast.manager).exists()


def test_a_cancelled_training_stops_the_run_and_is_resumed_from_here(project, images, boss):
    batch = open_batch(project, images)
    order = {"id": "001-train", "iteration": 1, "archs": ["cnn_small"], "seed": 0}
    Run.objects.filter(pk=batch.run_id).update(
        request_kind="train", waiting_for="001-train", state={"order": order}
    )
    job = make(project, "train", target=batch.run_id, key=f"train:{batch.run_id}:001-train")
    boss.post(url(project, "job_cancel"), {"job": job.pk})
    run = Run.objects.get(pk=batch.run_id)
    assert "cancelled" in run.failure
    assert b"Resume the run" in boss.get(url(project)).content
    boss.post(url(project, "job_retry"), {"job": job.pk})
    run.refresh_from_db()
    assert run.failure == ""
    assert Job.objects.filter(key=job.key, state="waiting").exists()


def test_a_running_job_is_asked_and_a_step_of_the_run_is_not(project, boss):
    running = make(project, "bulk", "running", heartbeat=timezone.now())
    step = make(project, "advance")
    boss.post(url(project, "job_cancel"), {"job": running.pk})
    boss.post(url(project, "job_cancel"), {"job": step.pk})
    running.refresh_from_db()
    step.refresh_from_db()
    assert running.cancel_requested
    assert step.state == "waiting"


def test_a_failed_job_is_done_again_as_it_was_a_bulk_action_by_its_author_only(project, cast, boss):
    job = make(project, "bulk", "failed", params={"action": "send", "user": cast.manager.pk})
    other = make(project, "bulk", "failed", params={"action": "send", "user": cast.owner.pk})
    assert b"Do it again" in boss.get(url(project)).content
    for one in (job, other):
        boss.post(url(project, "job_retry"), {"job": one.pk})
    again = Job.objects.get(key=job.key, state="waiting")
    assert (again.params, again.target) == (job.params, job.target)
    assert not Job.objects.filter(key=other.key, state="waiting").exists()


def test_who_only_looks_on_neither_cancels_nor_repeats(project, viewer):
    job, failed = make(project), make(project, "people", "failed")
    viewer.post(url(project, "job_cancel"), {"job": job.pk})
    viewer.post(url(project, "job_retry"), {"job": failed.pk})
    job.refresh_from_db()
    assert job.state == "waiting"
    assert Job.objects.filter(key=failed.key).count() == 1
    text = viewer.get(url(project)).content.decode()
    assert "cancel-form" in text
    assert 'form="cancel-form"' not in text


def test_annotators_do_not_see_the_jobs(project, cast, sign_in):
    client = sign_in(cast.annotator)
    names = ("project_jobs", "jobs_live", "project_worker")
    assert {client.get(url(project, name)).status_code for name in names} == {403}
    assert client.get(url(project, "job_log", make(project).pk)).status_code == 403


def test_the_jobs_of_another_project_are_not_there(project, boss):
    other = Job.objects.create(kind="people", key="people:other")
    assert boss.get(url(project, "job_log", other.pk)).status_code == 404
    assert boss.post(url(project, "job_cancel"), {"job": other.pk}).status_code == 404


def test_the_owner_of_the_installation_sees_and_ends_all_jobs(project, superuser, boss):
    job = make(project)
    for name in ("all_jobs", "all_jobs_live"):
        assert superuser.get(reverse(name)).status_code == 200
        assert boss.get(reverse(name)).status_code == 403
    assert project.name in superuser.get(reverse("all_jobs")).content.decode()
    assert boss.post(reverse("all_job_cancel"), {"job": job.pk}).status_code == 403
    superuser.post(reverse("all_job_cancel"), {"job": job.pk})
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert superuser.post(reverse("all_job_retry"), {"job": job.pk}).status_code == 302
    assert superuser.get(reverse("all_job_log", args=[job.pk])).status_code == 200
    assert boss.get(reverse("all_job_log", args=[job.pk])).status_code == 403


def test_pages_say_that_a_worker_is_missing_while_something_waits(project, boss, settings):
    note = url(project, "project_worker")
    assert "No worker" not in boss.get(note).content.decode()
    make(project, "train")
    assert (
        "this waits for one: Training" in boss.get(url(project, "project_people")).content.decode()
    )
    assert "make worker" in boss.get(note).content.decode()
    settings.WORKER_WATCHED = True
    assert "being started again" in boss.get(note).content.decode()
    WorkerBeat.objects.create(name="here:1", beat=timezone.now() - timedelta(seconds=10))
    text = boss.get(note).content.decode()
    assert "No worker" not in text
    assert "hidden" in text
