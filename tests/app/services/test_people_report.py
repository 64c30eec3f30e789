"""The people's report: from gold, reviews and overlap to what the certificate carries."""

from __future__ import annotations

import json
import uuid

import pytest
from django.utils import timezone

from labelapp import engine_people
from labelapp.errors import ConflictError, ForbiddenError
from labelapp.models import (
    AuditLog,
    Certificate,
    Event,
    Exclusion,
    GoldResult,
    Job,
    Label,
    PeopleReport,
    Project,
    Review,
    Run,
)
from labelapp.models import TestMark as Mark
from labelapp.selectors import people_report as read
from labelapp.selectors import people_words
from labelapp.selectors.exports import certificate
from labelapp.selectors.projects import access as find_access
from labelapp.selectors.reviews import sample_key
from labelapp.services import people_report
from labelapp.services.batches import content_hash
from labelapp.tasks import run_job
from mcal_engine import verify
from tests.app.conftest import add_images, open_batch
from tests.app.services.test_consensus import label_by_majority, people, vote

__all__ = ["people"]

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(project):
    """200 images: the first 60 are test marks with a label each, all of them of one batch."""
    images = add_images(project, 200)
    batch = open_batch(project, images[:60], purpose="test")
    Run.objects.update(n=200)
    for image in images[:60]:
        Mark.objects.create(run=batch.run, image=image, seq=image.seq)
    return images, batch


def label(project, batch, image, user, index=0, **more):
    vote(batch, image, user, index)
    return label_by_majority(batch, image, **more)


def review(project, image, before, after, outcome="", state="done"):
    decided = outcome or ("accepted" if before == after else "corrected")
    return Review.objects.create(
        project=project,
        image=image,
        reason="sample",
        state=state,
        outcome=decided,
        before=before,
        after=after,
    )


def review_test_images(project, images, count, wrong=2):
    """Review so many test images in the order of the draw; the first `wrong` are wrong."""
    marked = sorted(images[:60], key=lambda image: sample_key(project, image.seq))
    for number, image in enumerate(marked[:count]):
        review(project, image, 0, 1 if number < wrong else 0)
        if number < wrong:
            Label.objects.filter(image=image).update(class_index=1, method="review")
    return marked


def certify(project, *, machine=100, wrong=5) -> Certificate:
    content = {"promise": "certified", "machine_labels": machine, "wrong_at_most": wrong}
    content |= {"alpha": 0.05, "n": 200}
    return Certificate.objects.create(
        run=project.run, content=content, sha256=content_hash(content)
    )


def built(project) -> dict:
    people_report.build(project.pk)
    return json.loads(json.dumps(read.report(project), allow_nan=False))


def test_a_project_where_nothing_happened_yet(project):
    found = built(project)
    assert found["people"] == []
    assert found["agreement"]["fleiss"]["why"] == "no_overlap"
    assert found["human_error"] == {"sources": [], "best": None}
    assert found["combined"] is None
    assert read.report(Project(pk=project.pk + 1)) is None


def test_people_with_gold(project, world, people, cast):
    images, batch = world
    for image in images[:12]:
        answer = vote(batch, image, people[0], 0)
        GoldResult.objects.create(
            answer=answer,
            project=project,
            user=people[0],
            image=image,
            truth=1 if image.seq < 3 else 0,
            given=0,
            right=image.seq >= 3,
        )
    vote(batch, images[20], people[1], 1)
    first, second = built(project)["people"]
    assert (first["user"], first["answers"]) == (people[0].pk, 12)
    assert first["gold"]["accuracy"] == pytest.approx(0.75)
    assert first["gold"]["low"] < 0.75 < first["gold"]["high"]
    assert first["confusion"] == [{"truth": 1, "given": 0, "count": 3}]
    assert (second["gold"], second["agreement"], second["estimated"]) == (None, None, None)
    source = built(project)["human_error"]["sources"][0]
    assert (source["source"], source["of"], source["wrong"], source["n"]) == (
        *("gold", "answers"),
        *(3, 12),
    )


def test_overlap_gives_agreement_and_an_estimate(project, world, people):
    images, batch = world
    for image in images[:30]:
        for number, user in enumerate(people[:3]):
            wrong = number == 2 and image.seq % 5 == 0
            vote(batch, image, user, (image.seq + wrong) % 3, number)
        label_by_majority(batch, image)
    found = built(project)
    assert (found["agreement"]["items"], found["agreement"]["answers"]) == (30, 90)
    assert 0.7 < found["agreement"]["alpha"]["value"] < 1
    assert len(found["agreement"]["pairs"]) == 3
    assert {pair["value"] for pair in found["agreement"]["pairs"][:1]} == {1.0}
    careless = next(one for one in found["people"] if one["user"] == people[2].pk)
    assert careless["agreement"]["share"] == pytest.approx(0.8)
    assert careless["estimated"]["error"] == pytest.approx(0.2, abs=0.05)
    assert [one["source"] for one in found["human_error"]["sources"]] == ["overlap"] * 2
    assert {one["kind"] for one in found["human_error"]["sources"]} == {"estimated"}
    assert found["consensus"] == {"method": "majority", "images": 30, "changed": None}


def test_a_reviewed_sample_of_test_images_completes_the_promise(project, world, people):
    images, batch = world
    for image in images[:60]:
        label(project, batch, image, people[0])
    review_test_images(project, images, 40)
    certify(project)
    found = built(project)
    first, second = found["human_error"]["sources"][:2]
    assert (first["source"], first["n"], first["wrong"], first["population"]) == (
        *("test_review", 40),
        *(2, 200),
    )
    assert second["source"] == "review"
    combined = found["combined"]
    assert combined["machine"]["wrong_at_most"] == 5
    assert combined["people"]["kind"] == "bound"
    upper = round(first["upper"] * 200)
    assert combined["together"]["wrong_at_most"] == 5 + upper - 2  # two were put right
    assert combined["together"]["confidence"] == pytest.approx(0.9)
    assert combined["missing"] == ""


def test_a_wrong_label_that_stands_is_not_taken_off(project, world, people):
    images, batch = world
    for image in images[:60]:
        label(project, batch, image, people[0])
    marked = review_test_images(project, images, 40)
    Label.objects.filter(image=marked[0]).update(class_index=0)
    certify(project)
    found = built(project)
    upper = round(found["human_error"]["sources"][0]["upper"] * 200)
    assert found["combined"]["together"]["wrong_at_most"] == 5 + upper - 1


def test_only_the_beginning_of_a_sample_counts(project, world, people):
    """What was looked at beyond a gap may have been chosen: it says nothing of the rest."""
    images, batch = world
    for image in images[:60]:
        label(project, batch, image, people[0])
    marked = sorted(images[:60], key=lambda image: sample_key(project, image.seq))
    for number, image in enumerate(marked[:20]):
        if number == 7:
            review(project, image, 0, 0, "sent_back")
        else:
            review(project, image, 0, 0, state="open" if number == 12 else "done")
    assert built(project)["human_error"]["sources"][0]["n"] == 7


def test_an_image_that_nobody_can_label_is_wrong(project, world, people):
    images, batch = world
    for image in images[:60]:
        label(project, batch, image, people[0])
    marked = review_test_images(project, images, 10, wrong=0)
    lost, gone = marked[10], marked[11]
    review(project, lost, 0, None, "excluded")
    for image in (lost, gone):  # the second was excluded before anybody drew it
        Label.objects.filter(image=image).delete()
        Exclusion.objects.create(image=image, project=project, seq=image.seq)
    review(project, marked[12], 0, 0)
    certify(project)
    found = built(project)
    first = found["human_error"]["sources"][0]
    assert (first["n"], first["wrong"], first["population"]) == (12, 1, 199)
    assert found["combined"]["excluded"] == 1


def test_marks_of_a_later_draw_do_not_count(project, world, people):
    """T is topped up from the remainder: those marks are no draw from all images."""
    images, batch = world
    later = open_batch(project, images[100:140], purpose="test")
    for image in images[100:140]:
        Mark.objects.create(run=batch.run, image=image, seq=image.seq)
    for image in images[:60]:
        label(project, batch, image, people[0])
    for image in images[100:140]:
        label(project, later, image, people[0])
    review_test_images(project, images, 30, wrong=0)
    sources = built(project)["human_error"]["sources"]
    assert next(one["n"] for one in sources if one["source"] == "test_review") == 30


def test_who_may_ask_and_only_once_at_a_time(project, cast):
    with pytest.raises(ForbiddenError):
        people_report.request(access=find_access(cast.annotator, project.public_id))
    manager = find_access(cast.manager, project.public_id)
    people_report.request(access=manager)
    assert read.pending(project)
    with pytest.raises(ConflictError):
        people_report.request(access=manager)
    assert run_job(Job.objects.get(kind="people").pk) == "done"
    assert not read.pending(project)
    assert PeopleReport.objects.filter(project=project).exists()
    assert Event.objects.filter(type="people.measured").count() == 1
    people_report.request(access=manager)


def test_a_project_that_is_gone(project):
    people_report.build(project.pk + 1)
    Project.objects.update(status="deleting")
    people_report.build(project.pk)
    assert not PeopleReport.objects.exists()


def test_the_certificate_carries_the_report_and_verifies(project, world, people, tmp_path, capsys):
    images, batch = world
    certify(project)
    for image in images[:60]:
        label(project, batch, image, people[0])
    built(project)
    Project.objects.update(status="finished")
    project.refresh_from_db()
    held = certificate(project)
    assert held["people"]["version"] == engine_people.VERSION
    checks = list(verify.stored(held, held["content"]))
    assert checks
    assert all(ok for ok, _ in checks)  # the report is beside the hashed content, not in it


def test_the_last_consensus_is_told(project):
    AuditLog.objects.create(
        project=project,
        action="consensus.computed",
        after={"method": "dawid_skene", "images": 9, "changed": 4},
    )
    Project.objects.update(consensus="dawid_skene")
    found = built(project)["consensus"]
    assert found == {"method": "dawid_skene", "images": 9, "changed": 4}


# --- words ---------------------------------------------------------------------------------------


def test_words_of_a_whole_promise(project, world, people):
    images, batch = world
    for image in images[:60]:
        label(project, batch, image, people[0])
    review_test_images(project, images, 40)
    certify(project)
    machine, error, together = people_words.lines(built(project))
    assert machine.startswith("Machine against people: at most 5 of its 100 labels")
    assert "a review of test images" in error
    assert together.startswith("Together: at most")
    assert "90\u00a0%" in together


def test_words_without_a_certificate_or_a_measure(project):
    (line,) = people_words.lines(built(project))
    assert "not measured" in line


def test_words_where_something_is_missing(project, world, people):
    images, batch = world
    certify(project)
    found = built(project)
    assert "not measured" in people_words.lines(found)[-1]
    for image in images[:30]:
        for number, user in enumerate(people[:3]):
            vote(batch, image, user, image.seq % 3, number)
    estimated = built(project)
    assert estimated["combined"]["missing"] == "only_estimated"
    assert "This is an estimate." in people_words.lines(estimated)[-1]
    GoldResult.objects.create(
        answer_id=_first_answer(project),
        project=project,
        user=people[0],
        image=images[0],
        truth=0,
        given=0,
        right=True,
    )
    golden = built(project)
    assert golden["combined"]["together"] is None
    assert "gold images were not drawn" in people_words.lines(golden)[-1]


def _first_answer(project) -> uuid.UUID:
    return project.run.batches.get().tasks.first().answers.first().pk


def test_words_of_a_run_without_machine_labels(project, world, people):
    Run.objects.update(finished=timezone.now())
    assert "labelled nothing" in people_words.machine_line(built(project))


@pytest.mark.parametrize("why", ["no_overlap", "one_class", "few_items"])
def test_every_reason_has_words(why):
    assert people_words.agreement_words(why)
    assert people_words.agreement_words("") == ""


def consensus_line(project) -> str:
    return people_words.consensus_line(read.consensus_state(project))


def test_words_of_the_consensus(project):
    assert consensus_line(project) == ""
    after = {"method": "dawid_skene", "images": 1200, "changed": 1}
    AuditLog.objects.create(project=project, action="consensus.computed", after=after)
    assert consensus_line(project) == (
        "Last computed for 1,200 images with several answers; 1 label became another class."
    )
    job = Job.objects.create(project=project, kind="consensus", key="c", target=project.pk)
    assert "being put together" in consensus_line(project)
    Job.objects.filter(pk=job.pk).update(state="failed", message="CROWDLAB needs a model")
    assert consensus_line(project).endswith("stay as they were: CROWDLAB needs a model")


# --- the bridge ----------------------------------------------------------------------------------


def test_the_size_of_a_review():
    n = engine_people.review_size(population=10_000, expected=0.05, half_width=0.02)
    assert 400 < n < 600
    with pytest.raises(engine_people.UnusableError):
        engine_people.review_size(population=0)


def test_the_interval_of_nothing():
    assert engine_people.clopper_pearson(right=0, n=0) == (0.0, 1.0)
    low, high = engine_people.clopper_pearson(right=9, n=10)
    assert low < 0.9 < high
