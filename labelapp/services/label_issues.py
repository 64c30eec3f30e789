"""The search for likely label errors, as a job (the library cleanlab judges).

Human labels are compared with out-of-sample probabilities in two streamed passes (confident
learning, Northcutt 2021); where several people answered, CROWDLAB weighs them and the model; of
the machine's labels those are listed that its newest model believes less than half. What measures
the machine (T, audits, gold) is not looked at before the run has finished, T not afterwards
either, for a project can be opened again: to review by the model's word what judges the model
would bend the promise.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from labelapp import events, queue
from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from labelapp.models import Answer, Job, Label, LabelIssue, LabelReport, Project, Run
from labelapp.rights import Right
from labelapp.selectors.browse_guess import hidden_of
from labelapp.selectors.predictions import model_folder
from labelapp.selectors.projects import Access
from labelapp.services import audit, image_actions
from labelapp.services.image_actions import Action
from labelapp.services.label_evidence import Evidence
from labelapp.services.leases import one_writer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from labelapp.queue import JobControl

KEEP = 2_000  # listed, the most suspicious first
CELLS = 4_000_000  # probabilities in memory at a time
READ = 5_000  # labels at a time
BELIEVED = 0.5  # a machine label that its model believes less is listed
State = LabelIssue.State


@dataclass(frozen=True)
class Suspect:
    """A label that is contradicted: the lower the score, the more."""

    score: float
    seq: int
    image_id: int
    source: str
    given: int
    suggested: int


def start(*, access: Access) -> Job:
    """Search, or search again. Raises ForbiddenError, ConflictError before there is a model."""
    need(access)
    if model_folder(access.project) is None:
        raise ConflictError(_("There is no model yet: search after the first training."))
    with transaction.atomic():
        key = f"issues:{access.project.pk}"
        return queue.enqueue("issues", key, project_id=access.project.pk)


def need(access: Access) -> None:
    """Raise ForbiddenError unless this person may search and act."""
    if not (access.may(Right.BROWSE) and access.may(Right.REVIEW)):
        raise ForbiddenError(_("Your role in this project does not allow this."))


def act(*, access: Access, issue_id: int, kind: str) -> str:
    """Do what somebody decided about an issue: right, change, review; return its new state.

    Raises ForbiddenError, NotFoundError, InvalidInputError, and ConflictError where the label
    has changed since or may not change.
    """
    need(access)
    issue = LabelIssue.objects.filter(project=access.project, pk=issue_id).first()
    if issue is None:
        raise NotFoundError(_("There is no such image in this list."))
    if kind not in {"right", "change", "review"}:
        raise InvalidInputError(_("Choose what to do with the image."), do=kind)
    if issue.state != State.OPEN:
        return issue.state
    if hidden_of(access.project, [issue.image_id]):
        raise ConflictError(
            _("This image measures the machine: its label is not judged by what it says.")
        )
    now = Label.objects.filter(pk=issue.image_id).values_list("class_index", flat=True).first()
    if now != issue.given:
        raise ConflictError(_("The label has changed meanwhile: look at the image again."))
    state = {"right": State.DISMISSED, "change": State.SETTLED, "review": State.SENT}[kind]
    with one_writer():
        if kind == "change":
            action = Action("label", issue.suggested)
            image_actions.act(access=access, image_id=issue.image_id, action=action)
        elif kind == "review":
            image_actions.send_to_review(access=access, image_ids=[issue.image_id])
        LabelIssue.objects.filter(pk=issue.pk, state=State.OPEN).update(state=state)
        audit.write(
            user=access.user,
            project=access.project,
            action=f"issue.{kind}",
            target=str(issue.seq),
            before={"class": issue.given},
            after={"class": issue.suggested if kind == "change" else issue.given},
        )
        events.record(
            access.project.pk, "labels.changed", {"action": kind, "stage": "issue", "seen": 1}
        )
    return str(state)


# --- the search --------------------------------------------------------------------------------


def search(job: Job, control: JobControl) -> None:
    """Rank the project's labels by how much the model and the other votes contradict them."""
    began = time.monotonic()
    project = Project.objects.get(pk=job.project_id or 0)
    evidence = Evidence.of(project)
    if evidence is None:
        raise ConflictError(_("There is no model yet: search after the first training."))
    labels = _Labels.read(project, evidence, control)
    control.log(f"{labels.size:,} labels can be compared with a model that has not seen them")
    people = _single(labels, evidence, control)
    several = _several(project, labels, evidence, control)
    voted = {one.seq for one in several} | labels.several
    found = [one for one in people if one.seq not in voted] + several
    found += _machine(labels, evidence, control)
    found.sort(key=lambda one: (one.score, one.seq))
    summary = {
        "human": int((~labels.machine).sum()),
        "machine": int(labels.machine.sum()),
        "measuring": labels.measuring,
        "taught": labels.taught,
        "several": len(labels.several),
        "found": len(found),
        "whole": evidence.whole,
        "seconds": round(time.monotonic() - began, 1),
        "pairs": _pairs(found),
    }
    _store(project, found[:KEEP], summary)


@dataclass
class _Labels:
    """The labels that can be judged, as arrays: 17 bytes each."""

    seqs: NDArray[Any]
    images: NDArray[Any]
    given: NDArray[Any]
    machine: NDArray[Any]
    several: set[int]  # numbers of images that several people answered
    measuring: int = 0  # labels of people left out: they measure the machine
    taught: int = 0  # likewise: every model has learnt from them, or knows nothing of them

    @property
    def size(self) -> int:
        return len(self.seqs)

    @classmethod
    def read(cls, project: Project, evidence: Evidence, control: JobControl) -> _Labels:
        """Read all labels but those that measure the machine and those without evidence."""
        import numpy as np  # noqa: PLC0415 - web processes stay small

        parts: list[NDArray[Any]] = []
        several: set[int] = set()
        measuring = 0
        last, rows = -1, Label.objects.filter(project=project).order_by("seq")
        columns = ("seq", "image_id", "class_index", "source", "votes")
        while part := list(rows.filter(seq__gt=last).values_list(*columns)[:READ]):
            last = part[-1][0]
            hidden = hidden_of(project, [row[1] for row in part])
            kept = [row for row in part if row[1] not in hidden]
            measuring += sum(row[1] in hidden and row[3] == "human" for row in part)
            several |= {row[0] for row in kept if row[4] > 1 and row[3] == "human"}
            numbers = [(row[0], row[1], row[2], row[3] == "machine") for row in kept]
            parts.append(np.array(numbers, dtype=np.int64).reshape(-1, 4))
            control.tick(0.05, gettext_noop("Reading the labels"))
        found = np.concatenate(parts) if parts else np.zeros((0, 4), dtype=np.int64)
        people = int((found[:, 3] == 0).sum())
        found = found[evidence.known(found[:, 0])]
        found = found[found[:, 2] < evidence.classes]
        given, machine = evidence.heirs[found[:, 2]], found[:, 3] == 1
        taught = people - int((~machine).sum())
        return cls(found[:, 0], found[:, 1], given, machine, several, measuring, taught)

    def parts(self, rows: NDArray[Any], evidence: Evidence) -> Any:
        """Yield slices of `rows` whose probabilities fit into memory."""
        step = max(200, CELLS // evidence.classes)
        for start in range(0, len(rows), step):
            yield rows[start : start + step]

    def suspect(self, row: int, score: float, suggested: int) -> Suspect:
        source = "machine" if self.machine[row] else "human"
        seq, image = int(self.seqs[row]), int(self.images[row])
        return Suspect(float(score), seq, image, source, int(self.given[row]), int(suggested))


def _single(labels: _Labels, evidence: Evidence, control: JobControl) -> list[Suspect]:
    """Return the human labels that confident learning takes for errors."""
    import numpy as np  # noqa: PLC0415 - web processes stay small
    from cleanlab.experimental.label_issues_batched import (  # noqa: PLC0415 - pandas with it
        LabelInspector,
    )

    rows = np.flatnonzero(~labels.machine)
    if not len(rows):
        return []
    inspector = LabelInspector(num_class=evidence.classes, verbose=False, n_jobs=1)
    for share, passing in ((0.1, "confident"), (0.4, "score")):
        done = 0
        for part in labels.parts(rows, evidence):
            given, probs = labels.given[part], evidence.rows(labels.seqs[part])
            if passing == "confident":
                inspector.update_confident_thresholds(given, probs)
            else:
                inspector.score_label_quality(given, probs)
            done += len(part)
            control.tick(
                share + 0.3 * done / len(rows), gettext_noop("Comparing labels with the model")
            )
    scores = np.asarray(inspector.get_quality_scores())
    chosen = np.asarray(inspector.get_label_issues(), dtype=np.int64)
    chosen = chosen[np.argsort(scores[chosen], kind="stable")][: 2 * KEEP]
    return _suggest(labels, evidence, rows[chosen], scores[chosen])


def _suggest(
    labels: _Labels, evidence: Evidence, rows: NDArray[Any], scores: NDArray[Any]
) -> list[Suspect]:
    """Suggest for each the most probable other class."""
    import numpy as np  # noqa: PLC0415 - web processes stay small

    found: list[Suspect] = []
    at = 0
    for part in labels.parts(rows, evidence):
        probs = evidence.rows(labels.seqs[part])
        probs[np.arange(len(part)), labels.given[part]] = -1.0
        for row, other in zip(part.tolist(), probs.argmax(axis=1).tolist(), strict=True):
            found.append(labels.suspect(row, scores[at], other))
            at += 1
    return found


def _several(
    project: Project, labels: _Labels, evidence: Evidence, control: JobControl
) -> list[Suspect]:
    """Return labels that the other votes and the model outweigh together (CROWDLAB)."""
    import numpy as np  # noqa: PLC0415 - web processes stay small

    voted = np.array(sorted(labels.several), dtype=np.int64)
    rows = np.flatnonzero(np.isin(labels.seqs, voted) & ~labels.machine)
    found: list[Suspect] = []
    for part in labels.parts(rows, evidence):
        control.tick(0.75, gettext_noop("Comparing the votes"))
        table = _votes(project, labels.images[part], evidence)
        try:
            best, quality = _crowdlab(table, evidence.rows(labels.seqs[part]))
        except (ValueError, AssertionError, IndexError) as error:
            control.log(f"The votes could not be compared: {error}", "warning")
            continue
        differs = np.flatnonzero(best != labels.given[part])
        found += [
            labels.suspect(int(part[one]), 1.0 - quality[one], int(best[one])) for one in differs
        ]
    return found


def _votes(project: Project, images: NDArray[Any], evidence: Evidence) -> NDArray[Any]:
    """Return [images, people] of class numbers, NaN where somebody did not answer."""
    import numpy as np  # noqa: PLC0415 - web processes stay small

    place = {int(image): number for number, image in enumerate(images)}
    said: list[tuple[int, int, int]] = []
    for start in range(0, len(images), 500):
        some = [int(one) for one in images[start : start + 500]]
        answers = Answer.objects.filter(
            project=project, image_id__in=some, kind="class", superseded_by=None, extra=False
        ).exclude(batch__purpose="gold")
        said += answers.values_list("image_id", "user_id", "label_class__index")
    people = {user: number for number, user in enumerate(sorted({one[1] for one in said}))}
    table = np.full((len(images), max(len(people), 1)), np.nan)
    for image, user, index in said:
        table[place[image], people[user]] = evidence.heirs[index]
    return table


def _crowdlab(table: NDArray[Any], probs: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the class that votes and model agree on best, and how sure that is."""
    import numpy as np  # noqa: PLC0415 - web processes stay small
    from cleanlab.multiannotator import (  # noqa: PLC0415 - pandas and scikit-learn with it
        get_label_quality_multiannotator,
    )

    table = table[:, ~np.isnan(table).all(axis=0)]
    result = get_label_quality_multiannotator(
        table, probs, return_detailed_quality=False, return_annotator_stats=False, verbose=False
    )["label_quality"]
    return (
        result["consensus_label"].to_numpy().astype(np.int64),
        result["consensus_quality_score"].to_numpy(),
    )


def _machine(labels: _Labels, evidence: Evidence, control: JobControl) -> list[Suspect]:
    """Return the machine's labels that the newest model believes least."""
    import numpy as np  # noqa: PLC0415 - web processes stay small

    rows, best = np.flatnonzero(labels.machine), np.zeros(0, dtype=np.int64)
    scores = np.zeros(0)
    for part in labels.parts(rows, evidence):
        probs = evidence.rows(labels.seqs[part])
        own = probs[np.arange(len(part)), labels.given[part]]
        low = own < BELIEVED
        best, scores = np.concatenate([best, part[low]]), np.concatenate([scores, own[low]])
        order = np.argsort(scores, kind="stable")[:KEEP]
        best, scores = best[order], scores[order]
        control.tick(0.9, gettext_noop("Looking at the machine's labels"))
    return _suggest(labels, evidence, best, scores)


# --- what it leaves ----------------------------------------------------------------------------


def _pairs(found: list[Suspect]) -> list[dict[str, int]]:
    """Count by (given, suggested), the most frequent first."""
    counts = Counter((one.given, one.suggested) for one in found)
    return [
        {"given": given, "suggested": suggested, "count": count}
        for (given, suggested), count in counts.most_common(200)
    ]


def _store(project: Project, found: list[Suspect], summary: dict[str, Any]) -> None:
    """Replace the open issues; what somebody called right stays so while the label is the same."""
    run = Run.objects.filter(project=project).first()
    with transaction.atomic():
        rows = LabelIssue.objects.filter(project=project)
        settled = dict(
            rows.filter(state__in=[State.DISMISSED, State.SENT]).values_list("image_id", "given")
        )
        fresh = [one for one in found if settled.get(one.image_id) != one.given]
        changed = [one.image_id for one in fresh if one.image_id in settled]
        rows.filter(state__in=[State.OPEN, State.SETTLED]).delete()
        rows.filter(image_id__in=changed).delete()
        LabelIssue.objects.bulk_create(
            (
                LabelIssue(
                    project=project,
                    image_id=one.image_id,
                    seq=one.seq,
                    source=one.source,
                    given=one.given,
                    suggested=one.suggested,
                    score=one.score,
                )
                for one in fresh
            ),
            batch_size=1_000,
        )
        LabelReport.objects.update_or_create(
            project=project,
            defaults={
                "iteration": 0 if run is None else run.iteration,
                "summary": summary,
                "created": timezone.now(),
            },
        )
        events.record(project.pk, "issues.found", {"count": len(fresh)})
