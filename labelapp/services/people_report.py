"""The people's part of the promise: built from gold, reviews and overlap, stored as JSON.

Made by a job, on demand and when a run finishes; then the certificate carries a copy beside its
hashed content. The shape is in docs/people.md; `selectors.people_report` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Count
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp import engine_people, events, queue
from labelapp.errors import ConflictError, ForbiddenError
from labelapp.models import (
    Certificate,
    Exclusion,
    GoldResult,
    Label,
    LabelBatch,
    PeopleReport,
    Project,
    ProjectCounter,
    Review,
    Run,
    Task,
    TestMark,
    User,
)
from labelapp.people_facts import Facts, Person, Promise, Sample
from labelapp.queue import JobControl
from labelapp.rights import Right
from labelapp.selectors.people_report import consensus_state, pending
from labelapp.selectors.projects import Access
from labelapp.selectors.reviews import sample_key
from labelapp.selectors.vote_rows import current_votes, of_several

LOOKED = (Review.Outcome.ACCEPTED, Review.Outcome.CORRECTED, Review.Outcome.EXCLUDED)


def request(*, access: Access) -> None:
    """Have the report made anew. Raises ForbiddenError, ConflictError while one is being made."""
    if not access.may(Right.STEER):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    if pending(access.project):
        raise ConflictError(_("The report is being made. It will be here in a moment."))
    with transaction.atomic():
        enqueue(access.project.pk)


def enqueue(project_id: int) -> None:
    """Have the report made. Call it inside the transaction that gives the reason."""
    queue.enqueue("people", f"people:{project_id}", project_id=project_id, target=project_id)


# --- the job -------------------------------------------------------------------------------------


def build(project_id: int, control: JobControl | None = None) -> None:
    """Make and store the report; harmless if repeated, and where the project is gone.

    `control` can cancel it until it is stored: then the report of before stays.
    Raises JobCancelled.
    """
    project = Project.objects.filter(pk=project_id).first()
    if project is None or project.status == Project.Status.DELETING:
        return
    now = timezone.now()
    facts = _facts(project)
    if control is not None:
        control.tick(0.3)
    content = {**engine_people.report(facts), "created": now.isoformat()}
    if control is not None:
        control.tick(0.9)
    with transaction.atomic():
        PeopleReport.objects.update_or_create(
            project=project, defaults={"content": content, "created": now}
        )
        Certificate.objects.filter(run__project=project).update(people=content)
        events.record(project_id, "people.measured", {"people": len(content["people"])})


def _facts(project: Project) -> Facts:
    names = dict(project.classes.values_list("index", "name"))
    run = Run.objects.filter(project=project).first()
    counter = ProjectCounter.objects.get(project=project)
    reviews = _reviews(project)
    lost = _excluded(project, reviews)
    images = counter.images if run is None else run.n
    return Facts(
        classes=names,
        class_count=max(names, default=0) + 1,
        people=_people(project),
        votes=of_several(project.pk),
        samples=_samples(project, run, reviews, images - len(lost), lost),
        images=images,
        excluded=len(lost),
        promise=_promise(run),
        also={"consensus": _consensus(project)},
    )


def _people(project: Project) -> list[Person]:
    counts = current_votes(project.pk).values("user_id").annotate(n=Count("pk")).order_by("-n")
    given = dict(counts.values_list("user_id", "n"))
    gold: dict[int, list[tuple[int, int]]] = {}
    results = GoldResult.objects.filter(project=project).order_by("created")
    for user, truth, said in results.values_list("user_id", "truth", "given"):
        gold.setdefault(user, []).append((truth, said))
    users = User.objects.in_bulk([*given, *gold])
    order = sorted(users, key=lambda user: (-given.get(user, 0), user))
    return [
        Person(user, str(users[user]), given.get(user, 0), gold.get(user, ())) for user in order
    ]


def _consensus(project: Project) -> dict[str, Any]:
    """Return the method and what its last recomputation came to."""
    last = consensus_state(project)
    several = Label.objects.filter(project=project, votes__gte=2)
    return {
        "method": project.consensus,
        "images": several.count() if last.images is None else last.images,
        "changed": None if last.images is None else last.changed,
    }


def _promise(run: Run | None) -> Promise | None:
    """Return what the certificate says; a finished run without one has no machine labels."""
    if run is None:
        return None
    certificate = Certificate.objects.filter(run=run).first()
    if certificate is None:
        return None if run.finished is None else Promise("", 0, 0, 1.0)
    content = certificate.content
    labels = content.get("delivered", content.get("machine_labels", 0))
    return Promise(
        promise=str(content.get("promise", "")),
        labels=int(labels),
        wrong_at_most=int(content.get("wrong_at_most", 0)),
        confidence=1.0 - float(content.get("alpha", 0.0)),
    )


# --- random samples ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Look:
    """What a reviewer found: was the label wrong, is it right by now, can anybody tell?"""

    wrong: bool
    corrected: bool
    excluded: bool


def _reviews(project: Project) -> dict[int, Look]:
    """Return what was found, by seq, of the images of random samples that were looked at."""
    rows = Review.objects.filter(
        project=project,
        reason=Review.Reason.SAMPLE,
        state=Review.State.DONE,
        outcome__in=LOOKED,
    ).order_by("pk")
    columns = ("image__seq", "outcome", "before", "after", "image__label__class_index")
    found: dict[int, Look] = {}
    for seq, outcome, before, after, now in rows.values_list(*columns):
        lost = outcome == Review.Outcome.EXCLUDED
        wrong = lost or before != after
        # the first look: later ones see a corrected label
        found.setdefault(seq, Look(wrong, wrong and not lost and now == after, lost))
    return found


def _excluded(project: Project, reviews: dict[int, Look]) -> set[int]:
    """Return the images that nobody can label, but for those that a sample found: it counts them."""
    seqs = set(Exclusion.objects.filter(project=project).values_list("seq", flat=True))
    return {seq for seq in seqs if seq not in reviews}


def _samples(
    project: Project,
    run: Run | None,
    reviews: dict[int, Look],
    images: int,
    lost: set[int],
) -> list[Sample]:
    """Return what was drawn by chance of X (the test marks) and of the people's labels.

    Images are reviewed in the order of a fixed hash. What counts is its beginning without a gap:
    whatever was looked at beyond it may have been chosen by how easy it was.
    """
    if not reviews:
        return []
    human = set(
        Label.objects.filter(project=project, source=Label.Source.HUMAN).values_list(
            "seq", flat=True
        )
    )
    human |= {seq for seq, look in reviews.items() if look.excluded}
    marks = _first_marks(run) - lost
    return [
        _beginning(project, "test_review", marks, images, reviews),
        _beginning(project, "review", human - lost, len(human - lost), reviews),
    ]


def _first_marks(run: Run | None) -> set[int]:
    """Return the test marks that were drawn from all images: those of the first batch.

    Later ones were drawn from what was left then.
    """
    marked = TestMark.objects.filter(run=run)
    first = LabelBatch.objects.filter(run=run, purpose="test").order_by("pk").first()
    if first is None:
        return set()
    asked = Task.objects.filter(batch=first).values("image_id")
    return set(marked.filter(image_id__in=asked).values_list("seq", flat=True))


def _beginning(
    project: Project,
    source: str,
    drawn_from: set[int],
    population: int,
    reviews: dict[int, Look],
) -> Sample:
    n = wrong = corrected = 0
    for seq in sorted(drawn_from, key=lambda seq: sample_key(project, seq)):
        if seq not in reviews:
            break
        n += 1
        wrong += reviews[seq].wrong
        corrected += reviews[seq].corrected
    return Sample(source, population, n, wrong, corrected)
