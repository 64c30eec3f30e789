"""A whole run whose people make mistakes: overlap, Dawid-Skene, a review of T, both bounds."""

from __future__ import annotations

import pytest

from labelapp.models import (
    Answer,
    AuditLog,
    Certificate,
    Job,
    Label,
    PeopleReport,
    Project,
    Review,
)
from labelapp.selectors.exports import certificate
from labelapp.selectors.people_words import lines
from labelapp.selectors.projects import access
from labelapp.services import people_report, review_samples
from labelapp.services.review_decisions import Decision, decide
from tests.app.tasks import driving, whole_runs

N = 400


def mistaken(period: int):
    """Return what somebody says who is wrong on each `period`-th image."""

    def answer(seq: int) -> int:
        right = driving.true_class(seq)
        return (right + 1) % 3 if seq % period == 0 else right

    return answer


def run_with_people(project: Project, cast) -> None:
    """Two people answer each image, a third where they disagree."""
    crowd = ((cast.annotator, 9), (cast.second_annotator, 13), (cast.manager, 41))
    for _ in range(200):
        project.refresh_from_db()
        if project.status == Project.Status.FINISHED:
            return
        job = Job.objects.filter(state=Job.State.WAITING).order_by("pk").first()
        if job is not None:
            assert driving.do_one(job) == "done"
            continue
        for user, period in crowd:
            driving.answer_all(project, user, mistaken(period))
    raise AssertionError(f"not finished: {project.run.waiting_for} {project.run.failure}")


def review(project: Project, cast, size: int) -> int:
    """Let the owner, who knows the truth, look at so many test images; return how many."""
    owner = access(cast.owner, project.public_id)
    review_samples.draw(access=owner, kind="test", size=size)
    drawn = Review.objects.filter(project=project, reason="sample", state="open")
    for one in list(drawn.select_related("image")):
        truth = driving.true_class(one.image.seq)
        decide(access=owner, review_id=one.pk, decision=Decision("class", class_index=truth))
    people_report.request(access=owner)
    driving.do_jobs()
    return drawn.model.objects.filter(project=project, reason="sample", state="done").count()


@pytest.fixture(scope="module")
def whole_run(django_db_setup, django_db_blocker, tmp_path_factory):
    """One finished run for all tests of this module, in a transaction that is rolled back."""
    root = tmp_path_factory.mktemp("people")
    rules = {"overlap": 2, "overlap_max": 3, "consensus": "dawid_skene", "epsilon": 0.15}
    with whole_runs.world(root, django_db_blocker, N, **rules) as (project, cast):
        run_with_people(project, cast)
        driving.do_jobs()
        at_the_end = PeopleReport.objects.get(project=project).content
        looked = review(project, cast, 40)
        yield project.pk, at_the_end, looked


@pytest.fixture
def finished(whole_run, db):
    return Project.objects.select_related("run").get(pk=whole_run[0])


def true_errors(project: Project) -> int:
    labels = Label.objects.filter(project=project).values_list("seq", "class_index")
    return sum(index != driving.true_class(seq) for seq, index in labels)


def test_the_report_is_made_when_the_run_ends(finished, whole_run):
    found = whole_run[1]
    assert found["combined"]["machine"]["labels"] > 0
    assert found["combined"]["missing"] == "only_estimated"
    assert found["agreement"]["alpha"]["value"] > 0.5
    assert len(found["people"]) == 3


def test_consensus_ran_on_its_own_and_kept_every_answer(finished):
    assert AuditLog.objects.filter(project=finished, action="consensus.computed").exists()
    several = Label.objects.filter(project=finished, votes__gte=2)
    assert several.filter(method="dawid_skene").exists()
    assert not several.filter(purpose="audit").exclude(method__in=["majority", "review"]).exists()
    votes = Answer.objects.filter(project=finished, kind="class", superseded_by=None, extra=False)
    assert votes.count() >= sum(several.values_list("votes", flat=True))


def test_a_review_of_test_images_gives_the_bound_and_it_covers(finished, whole_run):
    found = PeopleReport.objects.get(project=finished).content
    source = found["human_error"]["sources"][0]
    assert (source["source"], source["n"]) == ("test_review", whole_run[2])
    together = found["combined"]["together"]
    assert together["kind"] == "bound"
    assert true_errors(finished) <= together["wrong_at_most"]
    assert true_errors(finished) > 0
    assert "mistakes of people included" in lines(found)[-1]


def test_the_certificate_carries_the_report_and_still_verifies(finished, tmp_path):
    held = certificate(finished)
    assert held["people"] == PeopleReport.objects.get(project=finished).content
    assert Certificate.objects.get(run=finished.run).people == held["people"]
    assert whole_runs.verified(finished, tmp_path)
