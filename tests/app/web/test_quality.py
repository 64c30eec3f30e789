"""The pages of quality, gold, queue, rules and review."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from labelapp.models import (
    AuditLog,
    GoldItem,
    GoldResult,
    Label,
    Membership,
    Project,
    Review,
    Task,
    VerifyPage,
)
from labelapp.selectors.quality import pause_words
from labelapp.services import labelling, questions
from labelapp.services.review_decisions import Decision, decide
from tests.app.conftest import open_batch
from tests.app.services.labelling_help import answer, entry

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch(project, images):
    return open_batch(project, images, "residual")


@pytest.fixture
def boss(cast, sign_in, batch):
    return sign_in(cast.manager)


def url(project: Project, name: str, *extra: object) -> str:
    return reverse(name, args=[project.public_id, *extra])


def labelled(project, user, count: int = 1) -> list[int]:
    who = entry(project, user)
    held = labelling.next_tasks(access=who, count=count).held
    labelling.submit(access=who, answers=[answer(who, t.task_id) for t in held])
    return [t.image_id for t in held]


def judged(project, user, image, *, right: bool) -> None:
    given = project.memberships.get(user=user).user.answers.get(image=image)
    GoldResult.objects.create(
        answer=given,
        project=project,
        user=user,
        image=image,
        truth=1,
        given=1 if right else 2,
        right=right,
    )


PAGES = ["project_quality", "project_gold", "project_queue", "project_rules", "queue_live"]


@pytest.mark.parametrize("name", [*PAGES, "quality_csv"])
def test_annotators_and_reviewers_see_no_figures_of_others(name, cast, project, sign_in):
    client = sign_in(cast.annotator)
    assert client.get(url(project, name)).status_code == 403
    Membership.objects.filter(user=cast.annotator).update(role="reviewer")
    assert client.get(url(project, name)).status_code == 403


@pytest.mark.parametrize("name", [*PAGES, "project_review"])
def test_pages_of_an_empty_project_say_so(name, cast, project, sign_in):
    assert sign_in(cast.manager).get(url(project, name)).status_code == 200


def test_reviewers_see_their_page(cast, project, sign_in):
    Membership.objects.filter(user=cast.annotator).update(role="reviewer")
    text = sign_in(cast.annotator).get(url(project, "project_review")).text
    assert "review-setup" in text
    assert url(project, "project_quality") not in text


# --- quality -------------------------------------------------------------------------------------


def test_each_person_has_their_figures(boss, cast, project, images):
    labelled(project, cast.annotator, 3)
    judged(project, cast.annotator, images[0], right=True)
    judged(project, cast.annotator, images[1], right=False)
    VerifyPage.objects.create(
        id="11111111-1111-4111-8111-111111111111",
        project=project,
        user=cast.annotator,
        class_index=0,
        tiles=[],
        state="taken",
        plants=4,
        caught=3,
    )
    text = boss.get(url(project, "project_quality")).text
    assert "50\u00a0% (1\u00a0% to 99\u00a0%)" in text
    assert "square as star" in text
    assert "3 of 4" in text


def test_the_table_is_a_file(boss, cast, project, images):
    cast.annotator.display_name = "=Ann()"
    cast.annotator.save()
    labelled(project, cast.annotator, 3)
    judged(project, cast.annotator, images[0], right=True)
    reply = boss.get(url(project, "quality_csv"))
    rows = [line.split(",") for line in reply.text.splitlines()]
    assert rows[0][:4] == ["person", "email", "role", "answers"]
    ann = next(row for row in rows if row[1] == "ann@example.org")
    assert ann[0] == "'=Ann()"
    assert (ann[3], ann[6], ann[7]) == ("3", "1", "1")


def test_a_sample_is_drawn_on_the_page(boss, cast, project):
    labelled(project, cast.annotator, 10)
    boss.post(url(project, "review_sample"), {"kind": "labels", "by": "size", "size": "4"})
    assert Review.objects.filter(reason="sample").count() == 4
    boss.post(url(project, "review_sample"), {"kind": "labels", "by": "share", "share": "60"})
    assert Review.objects.filter(reason="sample").count() == 6
    boss.post(url(project, "review_sample"), {"kind": "labels", "by": "width", "width": "0,5"})
    assert Review.objects.filter(reason="sample").count() == 10


@pytest.mark.parametrize(
    "wrong",
    [
        {"by": "size", "size": "many"},
        {"by": "size", "size": "nan"},
        {"by": "size", "size": "inf"},
        {"by": "share", "share": "1e9"},
        {"by": "width", "width": "0"},
        {"by": "nonsense"},
        {},
    ],
)
def test_nonsense_draws_nothing(boss, cast, project, wrong):
    labelled(project, cast.annotator, 2)
    reply = boss.post(url(project, "review_sample"), {"kind": "labels", **wrong}, follow=True)
    assert "alert-error" in reply.text
    assert not Review.objects.exists()


def test_another_consensus_is_chosen(boss, project):
    boss.post(url(project, "quality_consensus"), {"method": "dawid_skene"})
    assert Project.objects.get().consensus == "dawid_skene"
    reply = boss.post(url(project, "quality_consensus"), {"method": "dice"}, follow=True)
    assert "invalid_input" in reply.text


def test_the_report_is_made_on_demand(boss, project):
    assert "alert-ok" in boss.post(url(project, "quality_refresh"), follow=True).text


# --- gold ----------------------------------------------------------------------------------------


def send(client, project, text: str):
    file = SimpleUploadedFile("gold.csv", text.encode())
    return client.post(url(project, "project_gold"), {"file": file})


def test_a_file_of_gold_is_brought_in(boss, project):
    assert send(boss, project, "file_name,label\nimg_00001.png,star\n").status_code == 302
    text = boss.get(url(project, "project_gold")).text
    assert "img_00001.png" in text
    assert "1 new gold images" in text


def test_a_wrong_file_is_told_line_by_line(boss, project):
    reply = send(boss, project, "file_name,label\nimg_00001.png,dragon\nnone.png,star\n")
    assert reply.status_code == 400
    assert "Line 2: The project has no such class: dragon" in reply.text
    assert "Line 3: The project has no image of this name: none.png" in reply.text
    assert not GoldItem.objects.exists()


def test_no_file_at_all_is_told(boss, project):
    assert boss.post(url(project, "project_gold")).status_code == 400


def test_an_item_is_switched_off_and_removed(boss, project):
    send(boss, project, "file_name,label\nimg_00001.png,star\n")
    item = GoldItem.objects.get()
    boss.post(url(project, "gold_switch", item.pk), {"active": "0"})
    assert not GoldItem.objects.get().active
    boss.post(url(project, "gold_remove", item.pk))
    assert not GoldItem.objects.exists()


def test_confirmed_test_images_are_taken(boss, project, images):
    Label.objects.create(
        image=images[0],
        project=project,
        seq=0,
        class_index=2,
        source="human",
        purpose="test",
        votes=2,
        agreement=1.0,
    )
    assert "Make 1 test image gold" in boss.get(url(project, "project_gold")).text
    boss.post(url(project, "gold_adopt"))
    assert GoldItem.objects.get().source == "agreed"


# --- who holds what ------------------------------------------------------------------------------


def test_the_queue_page_says_who_holds_what(boss, cast, project):
    labelling.next_tasks(access=entry(project, cast.annotator), count=3)
    text = boss.get(url(project, "queue_live")).text
    assert "Ann" in text
    assert (text.count(">on screen<"), text.count(">fetched ahead<")) == (1, 2)


def test_who_is_away_for_a_moment_has_left_nothing_lying(boss, cast, project):
    """Only a lease that is over says so, whatever the person did since they fetched the image."""
    labelling.next_tasks(access=entry(project, cast.annotator), count=3)
    mine = Task.objects.filter(lease_user=cast.annotator)
    now = timezone.now()
    mine.update(lease_since=now - timedelta(hours=2), lease_until=now + timedelta(seconds=30))
    text = boss.get(url(project, "queue_live")).text
    assert ("left lying" in text, "badge-danger" in text) == (False, False)
    mine.filter(lease_soft=False).update(lease_until=now - timedelta(seconds=1))
    text = boss.get(url(project, "queue_live")).text
    assert (text.count(">left lying<"), text.count("badge-danger")) == (1, 1)
    assert "Free 1 image that was left lying" in text


def test_tasks_are_freed(boss, cast, project):
    held = labelling.next_tasks(access=entry(project, cast.annotator), count=3).held
    boss.post(url(project, "queue_release"), {"task": str(held[2].task_id)})
    assert Task.objects.filter(lease_user=cast.annotator).count() == 2
    boss.post(url(project, "queue_release"), {"person": str(cast.annotator.pk)})
    assert not Task.objects.filter(lease_user=cast.annotator).exists()


def test_what_was_left_lying_is_freed_in_one_go(boss, cast, project):
    labelling.next_tasks(access=entry(project, cast.annotator), count=3)
    Task.objects.filter(lease_user=cast.annotator).update(
        lease_until=timezone.now() - timedelta(seconds=1)
    )
    assert "Free 3 images that were left lying" in boss.get(url(project, "queue_live")).text
    boss.post(url(project, "queue_release"))
    assert not Task.objects.filter(lease_user=cast.annotator).exists()


@pytest.mark.parametrize("task", ["x", "-1", "9" * 30, ""])
def test_a_task_that_is_none_frees_nothing(boss, project, task):
    assert boss.post(url(project, "queue_release"), {"task": task}, follow=True).status_code == 200


def test_what_was_sent_back_is_taken_back(boss, cast, project):
    image = labelled(project, cast.annotator)[0]
    questions.ask(
        project_id=project.pk,
        image_id=image,
        reason="disagreement",
        task_id=None,
        person_id=cast.annotator.pk,
    )
    manager = entry(project, cast.manager)
    review = Review.objects.get()
    decide(access=manager, review_id=review.pk, decision=Decision("send_back", note="look"))
    assert "sent back to them" in boss.get(url(project, "queue_live")).text
    boss.post(url(project, "queue_recall"), {"task": str(Task.objects.get(image_id=image).pk)})
    assert Task.objects.get(image_id=image).state == "done"


def test_gold_in_somebodys_hands_is_not_told(boss, cast, project, images):
    square = project.classes.get(index=1)
    GoldItem.objects.create(
        project=project, image=images[19], label_class=square, source="uploaded"
    )
    Project.objects.update(gold_first=1)
    labelling.next_tasks(access=entry(project, cast.annotator), count=1)
    assert Task.objects.filter(batch__purpose="gold").exists()
    assert "image 19" not in boss.get(url(project, "queue_live")).text


# --- rules ---------------------------------------------------------------------------------------

RULES = {
    "overlap": "2",
    "overlap_share": "25",
    "overlap_max": "3",
    "skip_policy": "review",
    "predictions": "on",
    "gold_share": "5",
    "gold_first": "10",
    "gold_pause_below": "",
    "gold_pause_after": "20",
}


def test_the_rules_are_saved(boss, project):
    assert boss.post(url(project, "project_rules"), RULES).status_code == 302
    project.refresh_from_db()
    assert (project.overlap, project.overlap_share, project.gold_share) == (2, 0.25, 0.05)
    assert (project.predictions, project.label_ahead, project.gold_pause_below) == (
        True,
        False,
        None,
    )
    assert AuditLog.objects.filter(action="project.changed").exists()


def test_a_wrong_rule_is_told_beside_its_field(boss, project):
    reply = boss.post(url(project, "project_rules"), {**RULES, "overlap_max": "2"})
    assert reply.status_code == 400
    assert "more people than are asked at first" in reply.text
    assert 'value="25"' in reply.text


def test_other_names_of_classes_are_saved(boss, project):
    boss.post(url(project, "class_aliases"), {"aliases": "circle = ring, disc\nsquare =\n"})
    assert project.classes.get(index=0).aliases == ["ring", "disc"]
    assert "circle = ring, disc" in boss.get(url(project, "project_rules")).text


@pytest.mark.parametrize("text", ["dragon = worm", "circle = square"])
def test_wrong_names_are_told_and_kept_for_correction(boss, project, text):
    reply = boss.post(url(project, "class_aliases"), {"aliases": text})
    assert reply.status_code == 400
    assert text in reply.text


def test_why_somebody_is_paused_is_said_in_words():
    assert "Of 20 images whose class is known, 12" in pause_words("gold:12:20:0.8")
    assert pause_words("on leave") == "on leave"
    assert pause_words("") != ""
