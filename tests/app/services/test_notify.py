"""Who is told what: from events as services record them, once, whatever happens in between."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.db import transaction
from django.utils import timezone

from labelapp import events
from labelapp.errors import ForbiddenError, InvalidInputError
from labelapp.models import (
    Export,
    Import,
    Iteration,
    Job,
    Membership,
    Notification,
    NotifyCursor,
    Project,
    ProjectCounter,
    Review,
    Run,
    WorkerBeat,
)
from labelapp.rights import Role
from labelapp.selectors.notices import KINDS, defaults
from labelapp.selectors.notifications import notice, page, unread_count
from labelapp.services import notify_events, notify_mail, notify_settings, notify_sweeps
from labelapp.services.notify_events import make_news
from tests.app.conftest import add_images
from tests.app.services.labelling_help import entry


@pytest.fixture(autouse=True)
def _fresh(monkeypatch, settings):
    monkeypatch.setattr(notify_events, "_seen", {})
    settings.MAIL_ON = False
    settings.BASE_URL = "https://labels.example.org"


@pytest.fixture
def mails(settings):
    settings.MAIL_ON = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    return mail.outbox


def say(project, type_, payload=None):
    with transaction.atomic():
        events.record(project.pk, type_, payload)


def told(user, kind=None):
    rows = Notification.objects.filter(user=user, **({"kind": kind} if kind else {}))
    return list(rows.order_by("pk"))


def a_run(project) -> Run:
    return Run.objects.create(
        project=project, n=20, config={}, state={}, waiting_for="x", request_kind="label"
    )


def plan(run, number, total):
    Iteration.objects.create(
        run=run,
        number=number,
        train_size=10,
        delta=10,
        record={},
        plan={"c_star": {"value": total, "low80": total * 0.9, "high80": total * 1.1}},
        seconds=1,
        dollars=0,
    )
    say(run.project, "plan.updated", {"iteration": number, "decision": "adds 10 images"})


def test_people_are_called_when_a_batch_opens_and_only_the_newest_call_stays(project, cast):
    say(project, "batch.opened", {"purpose": "test", "size": 120})
    make_news()
    say(project, "batch.opened", {"purpose": "ahead", "size": 40})
    make_news()
    (row,) = told(cast.annotator)
    assert row.kind == "batch_ready"
    assert row.payload == {"size": 40}  # what the labels are for stays unsaid


def test_a_paused_person_is_not_called(project, cast):
    Membership.objects.filter(user=cast.annotator).update(paused_at=timezone.now())
    say(project, "batch.opened", {"purpose": "test", "size": 120})
    make_news()
    assert told(cast.annotator) == []
    assert len(told(cast.second_annotator)) == 1


def test_each_event_is_told_once_however_often_the_pump_runs(project, cast):
    say(project, "run.failed", {"message": "The training failed: no memory."})
    say(project, "training.failed", {"attempt": 1, "message": "no memory"})
    say(project, "training.failed", {"attempt": 2, "message": "no memory"})
    say(project, "run.finished", {"outcome": "done", "reason": "all labelled"})
    assert make_news() == 6
    assert make_news() == 0
    NotifyCursor.objects.update(seq=0)  # as after a restore of an older backup
    make_news()
    kinds = [row.kind for row in told(cast.manager)]
    assert kinds == ["run_failed", "training_failed", "run_finished"]
    assert told(cast.annotator) == []


def test_a_crash_in_between_loses_and_doubles_nothing(project, cast, monkeypatch):
    say(project, "run.finished", {"reason": "all labelled"})
    working = notify_events.tell
    monkeypatch.setattr(notify_events, "tell", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        make_news()
    assert not NotifyCursor.objects.filter(seq__gt=0).exists()
    monkeypatch.setattr(notify_events, "tell", working)
    assert make_news() == 2


def test_progress_alone_writes_nothing(project, django_assert_num_queries):
    say(project, "training.progress", {"epoch": 1})
    make_news()
    assert not NotifyCursor.objects.exists()
    with django_assert_num_queries(1):
        make_news()


def test_old_events_are_history(project, cast):
    say(project, "run.finished", {})
    project.events.update(created=timezone.now() - timedelta(days=3))
    assert make_news() == 0


def test_a_forecast_is_told_when_it_moved_far_from_the_one_last_told(project, cast):
    run = a_run(project)
    for number, total in enumerate([100.0, 104.0, 97.0, 106.0, 103.0, 120.0], start=1):
        plan(run, number, total)
        make_news()
    moves = [(r.payload["before"], r.payload["after"]) for r in told(cast.owner, "forecast_moved")]
    assert moves == [(100.0, 106.0), (106.0, 120.0)]


def test_imports_and_exports_are_told_to_who_asked(project, cast):
    record = Import.objects.create(project=project, kind="zip", source="x", created_by=cast.manager)
    export = Export.objects.create(project=project, format="csv", created_by=cast.owner)
    say(project, "import.finished", {"import": record.pk, "state": "done", "added": 12})
    say(project, "import.finished", {"import": record.pk, "state": "cancelled"})
    say(project, "export.finished", {"export": export.pk, "format": "csv", "state": "failed"})
    make_news()
    assert [row.kind for row in told(cast.manager)] == ["import_finished"]
    assert [row.kind for row in told(cast.owner)] == ["export_finished"]


def test_a_budget_is_told_at_its_share_and_at_its_end_once_each(project, cast):
    Project.objects.update(budget=Decimal(100), status=Project.Status.RUNNING)
    counter = ProjectCounter.objects.filter(project=project)
    for spent in (79, 81, 85, 101, 102):
        counter.update(label_spend=spent)
        notify_sweeps.look_at_budgets()
    assert [row.payload["level"] for row in told(cast.owner)] == [0.8, 1.0]
    Project.objects.update(budget=Decimal(120))  # another budget starts anew
    notify_sweeps.look_at_budgets()
    assert [row.payload["level"] for row in told(cast.owner)] == [0.8, 1.0, 0.8]


def test_reviewers_are_told_when_their_queue_fills_again(project, cast):
    Membership.objects.filter(user=cast.annotator).update(role=Role.REVIEWER)
    Project.objects.update(status=Project.Status.RUNNING)
    images = add_images(project, 2)
    for image in images:
        Review.objects.create(project=project, image=image, reason="skipped")
        notify_sweeps.look_at_reviews()
        notify_sweeps.look_at_reviews()
    assert len(told(cast.annotator)) == 1
    Review.objects.update(state="done")
    notify_sweeps.look_at_reviews()
    Review.objects.filter(image=images[0]).update(state="open")
    notify_sweeps.look_at_reviews()
    assert len(told(cast.annotator)) == 2
    assert told(cast.second_annotator) == []


def test_a_missing_worker_is_told_and_its_return_closes_it(project, cast, mails):
    job = Job.objects.create(kind="import", key="import:1", project=project)
    assert notify_sweeps.look_for_workers() == 0  # it may only just have been asked for
    Job.objects.filter(pk=job.pk).update(created=timezone.now() - timedelta(minutes=3))
    assert notify_sweeps.look_for_workers() == 2
    assert notify_sweeps.look_for_workers() == 0
    assert unread_count(cast.manager) == 1
    WorkerBeat.objects.create(name="here:1")
    notify_sweeps.look_for_workers()
    (row,) = told(cast.manager)
    assert row.payload["recovered"]
    assert row.read_at is not None
    assert row.mail == Notification.Mail.NO
    assert notice(row).words.title == "A worker runs again"


def test_people_choose_what_they_hear_within_what_their_role_may_see(project, cast, mails):
    choose = notify_settings.choose
    choose(access=entry(project, cast.manager), ways={"batch_ready": [], "run_finished": ["app"]})
    choose(access=entry(project, cast.annotator), ways={"budget": ["app"], "batch_ready": ["mail"]})
    stored = dict(Membership.objects.values_list("user", "notify"))
    assert stored[cast.annotator.pk] == {"batch_ready": ["mail"]}
    say(project, "batch.opened", {"size": 5})
    say(project, "run.finished", {})
    make_news()
    assert [(r.kind, r.mail) for r in told(cast.manager)] == [("run_finished", "no")]
    (row,) = told(cast.annotator)
    assert row.mail == Notification.Mail.WAITING
    assert row.read_at == row.created  # not in the app


def test_who_lost_a_role_sees_its_news_no_more(project, cast):
    say(project, "run.finished", {})
    say(project, "batch.opened", {"size": 5})
    make_news()
    assert len(page(cast.manager)[0]) == 2
    Membership.objects.filter(user=cast.manager).update(role=Role.ANNOTATOR)
    assert [one.words.title for one in page(cast.manager)[0]] == ["There are images to label"]
    Membership.objects.filter(user=cast.manager).delete()
    assert page(cast.manager) == ([], 0)
    assert unread_count(cast.manager) == 0


def test_a_list_goes_on_where_it_ended(project, cast):
    Notification.objects.bulk_create(
        Notification(user=cast.owner, project=project, kind="run_finished", key=str(n))
        for n in range(120)
    )
    seen, before = [], 0
    while True:
        rows, before = page(cast.owner, before=before)
        seen += [row.id for row in rows]
        if not before:
            break
    assert len(set(seen)) == len(seen) == 120
    assert unread_count(cast.owner) == 100  # "99+"
    assert notify_settings.mark_all(user=cast.owner, project_id=project.pk) == 120


def test_a_mail_says_it_in_the_persons_language_and_can_be_ended(project, cast, mails):
    cast.owner.language = "de"
    cast.owner.save(update_fields=["language"])
    say(project, "run.finished", {"reason": "all labelled"})
    make_news()
    assert set(notify_mail.due_people()) == {cast.owner.pk, cast.manager.pk}
    assert notify_mail.mail_person(cast.owner.pk)
    assert not notify_mail.mail_person(cast.owner.pk)
    (message,) = mails
    assert message.to == [cast.owner.email]
    assert "Shapes" in message.subject
    link = message.extra_headers["List-Unsubscribe"].strip("<>")
    assert link.startswith("https://labels.example.org/unsubscribe/")
    assert message.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    token = link.rstrip("/").rpartition("/")[2]
    assert notify_settings.unsubscribe(token) == ["Shapes"]
    member = Membership.objects.get(user=cast.owner)
    assert member.notify["run_finished"] == ["app"]
    assert "batch_ready" not in member.notify  # never came by mail
    assert notify_mail.read_token(token + "x") is None


def test_news_soon_after_a_mail_wait_and_go_together(project, cast, mails):
    say(project, "run.failed", {"message": "no memory"})
    make_news()
    notify_mail.mail_person(cast.owner.pk)
    say(project, "run.failed", {"message": "no memory"})
    say(project, "run.finished", {})
    make_news()
    notify_mail.mail_person(cast.owner.pk)
    assert len(mails) == 1
    assert cast.owner.pk not in notify_mail.due_people()
    ago = timezone.now() - timedelta(minutes=6)
    Notification.objects.filter(user=cast.owner).update(next_try=ago)
    notify_mail.mail_person(cast.owner.pk)
    assert len(mails) == 2
    assert mails[1].subject == "Shapes: 2 pieces of news"


def test_what_was_read_in_the_app_is_not_mailed(project, cast, mails):
    say(project, "run.finished", {})
    make_news()
    notify_settings.mark_all(user=cast.owner)
    assert not notify_mail.mail_person(cast.owner.pk)
    assert mails == []


def test_a_mail_that_fails_is_tried_again_for_a_day(project, cast, mails, monkeypatch):
    monkeypatch.setattr(notify_mail.EmailMultiAlternatives, "send", lambda _self: 1 / 0)
    say(project, "run.finished", {})
    make_news()
    notify_mail.mail_person(cast.owner.pk)
    (row,) = told(cast.owner)
    assert row.mail == Notification.Mail.WAITING
    assert row.next_try > timezone.now()
    assert "ZeroDivisionError" in row.error
    now = timezone.now()
    Notification.objects.update(created=now - timedelta(hours=25), next_try=now)
    notify_mail.mail_person(cast.owner.pk)
    (row,) = told(cast.owner)
    assert row.mail == Notification.Mail.FAILED


def test_thresholds_are_set_by_who_may_steer(project, cast):
    owner, annotator = entry(project, cast.owner), entry(project, cast.annotator)
    assert notify_settings.set_thresholds(access=owner, move=0.1, budget=0.9)
    project.refresh_from_db()
    assert (project.notify_move, project.notify_budget) == (0.1, 0.9)
    assert not notify_settings.set_thresholds(access=owner, move=0.1, budget=0.9)
    with pytest.raises(ForbiddenError):
        notify_settings.set_thresholds(access=annotator, move=0.1, budget=0.9)
    for move, budget in [(0, 0.5), (0.1, 1.1), (float("nan"), 0.5)]:
        with pytest.raises(InvalidInputError):
            notify_settings.set_thresholds(access=owner, move=move, budget=budget)


def test_old_news_are_forgotten(project, cast):
    now = timezone.now()
    for n, days in enumerate([100, 10]):
        Notification.objects.create(
            user=cast.owner, kind="budget", key=str(n), read_at=now - timedelta(days=days)
        )
    notify_sweeps.forget_old()
    assert [row.key for row in told(cast.owner)] == ["1"]


def test_defaults_never_exceed_a_role():
    for role in Role:
        for kind in KINDS.values():
            assert "mail" not in defaults(role, kind) or "app" in defaults(role, kind)
    assert defaults("viewer", KINDS["budget"]) == set()
    assert defaults("annotator", KINDS["batch_ready"]) == {"app"}
