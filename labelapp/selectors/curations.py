"""Searches for the best training set: which there are, and the files with what they found."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from django.conf import settings as django_settings
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from labelapp import engine_search
from labelapp.errors import ConflictError, NotFoundError
from labelapp.models import (
    Curation,
    Exclusion,
    Iteration,
    Job,
    ModelVersion,
    Project,
    ProjectCounter,
    Run,
    TestMark,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

LIVE = (Curation.State.WAITING, Curation.State.RUNNING)
LEFT_OUT, HELD_OUT = 0, -1
FOLDER = "curations"  # below the project's folder of jobs
PROGRESS = "progress.json"  # below the search's folder
WHICH = ("kept", "left_out", "held_out")
"""The parts of a search: what trains, what need not, what judged."""
MOST_MODELS = 50  # looked at for an estimate


@dataclass(frozen=True)
class Estimate:
    """About what a search takes. None where nothing like it was measured in this project."""

    seconds: float | None
    dollars: Decimal | None


@dataclass(frozen=True)
class Progress:
    """Where a search is: training `step` of `steps`, over all repeats, from 1.

    `purpose` is acquire (it chooses), full, search or random (they are compared); `stage` counts
    from 1, 0 beyond the stages. In the `phase` train, `done` of `of` steps are done, in the phase
    score so many images. `waits`: a training of a run goes first.
    """

    step: int
    steps: int
    purpose: str
    stage: int
    images: int
    phase: str
    done: int
    of: int
    waits: bool


@dataclass(frozen=True)
class Parts:
    """What a search found, as files that are read where they lie.

    `part[i]` belongs to the image number `rows[i]`, ascending: -1 held out, 0 left out, k from 1
    the stage that took it. `labels[i]` is the class that it had in the search.
    """

    rows: NDArray[Any]
    part: NDArray[Any]
    labels: NDArray[Any]

    def of(self, seqs: list[int]) -> list[int | None]:
        """Return the part of each of these image numbers, None for one that took no part."""
        import numpy as np  # noqa: PLC0415 - web processes stay small

        wanted = np.asarray(seqs, dtype=np.int64)
        if not len(self.rows):
            return [None] * len(wanted)
        at = np.searchsorted(self.rows, wanted).clip(0, len(self.rows) - 1)
        there = self.rows[at] == wanted
        found = self.part[at].tolist()
        return [one if known else None for one, known in zip(found, there.tolist(), strict=True)]


def of_project(project: Project) -> QuerySet[Curation]:
    """Return the project's searches, newest first."""
    return project.curations.select_related("project", "created_by").order_by("-pk")


def one(project: Project, curation_id: int) -> Curation:
    """Return a search of this project; raise NotFoundError."""
    found = of_project(project).filter(pk=curation_id).first() if curation_id < 2**63 else None
    if found is None:
        raise NotFoundError(_("There is no such search."))
    return found


def latest(project: Project) -> Curation | None:
    """Return the newest search of this project."""
    return of_project(project).first()


def folder(curation: Curation) -> Path:
    """Return where the files of a search lie; `curation.project` is read for it."""
    root = Path(django_settings.JOBS_ROOT)
    return root / curation.project.public_id / FOLDER / str(curation.pk)


def progress(curation: Curation) -> Progress | None:
    """Return where a search is, None before its first training."""
    where = folder(curation)
    try:
        told = json.loads((where / PROGRESS).read_text())
        seeds = curation.settings["seeds"]
        before = seeds.index(told["seed"]) * told["steps"]
        return Progress(
            step=before + told["step"],
            steps=len(seeds) * told["steps"],
            waits=(where / "pause").exists(),
            **{name: told[name] for name in ("purpose", "stage", "images", "phase", "done", "of")},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def stopping(curation: Curation) -> bool:
    """Tell whether a search that runs was asked to end, and has not ended yet."""
    job = Job.objects.filter(kind="curate", target=curation.pk, state=Job.State.RUNNING)
    running = curation.state == Curation.State.RUNNING
    return running and job.filter(cancel_requested=True).exists()


def parts(curation: Curation) -> Parts:
    """Return what a search found.

    Raises NotFoundError where it has not ended, files are gone, or the project was opened again
    since, and ConflictError while the project is not finished: what a search says of an image must
    not steer a run that was opened again.
    """
    import numpy as np  # noqa: PLC0415 - web processes stay small

    if curation.project.status != Project.Status.FINISHED:
        raise ConflictError(
            _("The project was opened again: what was found is shown once it has finished.")
        )
    if curation.state != Curation.State.DONE:
        raise NotFoundError(_("This search has found nothing yet."))
    if outdated(curation):
        raise NotFoundError(
            _("The project was opened again since this search: its images are shown no more.")
        )
    where = folder(curation)
    try:
        rows, part, labels = (
            np.load(where / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name in ("rows", "part", "labels")
        )
    except (OSError, ValueError, EOFError) as error:
        raise NotFoundError(
            _(
                "The files of this search are not there any more (a backup does not hold them). "
                "Search again."
            )
        ) from error
    if not rows.shape == part.shape == labels.shape or rows.ndim != 1:
        raise NotFoundError(_("The files of this search do not go together. Search again."))
    return Parts(rows, part, labels)


def outdated(curation: Curation) -> bool:
    """Tell whether the project was opened again, and has finished, since the labels were read.

    Other images may be in T by then, and of those no model's word is shown.
    """
    over = Run.objects.filter(project=curation.project_id).values_list("finished", flat=True)
    finished = over.first()
    return finished is not None and finished > curation.created


def kept_page(
    curation: Curation, which: str, class_index: int | None, offset: int, limit: int
) -> tuple[list[int], int]:
    """Return a page of image numbers of one part, and how many there are in all.

    `which` is kept (in the order of the stages), left_out or held_out; of one class where one is
    given, as it was in the search. Raises as `parts` does, and NotFoundError for another part.
    """
    import numpy as np  # noqa: PLC0415 - web processes stay small

    if which not in WHICH:
        raise NotFoundError(_("There is no such part."))
    found = parts(curation)
    mask = {
        "kept": found.part > LEFT_OUT,
        "left_out": found.part == LEFT_OUT,
        "held_out": found.part == HELD_OUT,
    }[which]
    if class_index is not None:
        mask = mask & (found.labels == class_index)
    at = np.flatnonzero(mask)
    if which == "kept":
        at = at[np.argsort(found.part[at], kind="stable")]
    start = max(0, offset)
    return found.rows[at[start : start + max(0, limit)]].tolist(), len(at)


def labelled(project: Project, which: str) -> int:
    """Return how many images have a label: `all` or those of people (`human`)."""
    counts = ProjectCounter.objects.get(project=project)
    people = counts.train + counts.test + counts.residual + counts.audit + counts.ahead
    return people + (counts.machine if which == "all" else 0)


def marked(project: Project) -> int:
    """Return how many images that take part are test marks: all of these judge in every search."""
    out = Exclusion.objects.filter(project=project).values("image_id")
    return TestMark.objects.filter(run__project=project).exclude(image_id__in=out).count()


def estimate(project: Project, settings: Asked) -> Estimate:
    """Return about what a search takes, by what the last models of the same networks took.

    `settings` have been checked. A training is taken to show each image as often as the largest
    one did, and no fewer images than the smallest one; runs count alike. Unknown where a network
    was never trained in this project.
    """
    seconds, images = 0.0, labelled(project, settings.labels)
    known: dict[str, _Pace | None] = {}
    for one in engine_search.trainings(settings, images, marked(project)):
        if one.arch not in known:
            known[one.arch] = _pace(project, one.arch)
        pace = known[one.arch]
        if pace is None:
            return Estimate(None, None)
        seconds += pace.seconds(one.images, scored=images)
    return Estimate(seconds, dollars(seconds, project))


def dollars(seconds: float, project: Project) -> Decimal:
    """Return what so much computing costs at the project's price, to the millionth."""
    price = project.compute_price_per_hour
    return (Decimal(str(seconds)) * price / 3600).quantize(Decimal("0.000001"))


class Asked(engine_search.Wish, Protocol):
    """What somebody wants to have searched for."""

    @property
    def labels(self) -> str:
        """Which labels take part: all or human."""


@dataclass(frozen=True)
class _Pace:
    """What trainings of a network took, of one run and one member: images shown, seconds."""

    passes: float
    least: float  # images shown in a training, however few it learns from
    per_image: float  # seconds per image shown
    per_score: float  # seconds per image scored, by one member
    runs: int
    members: int

    def seconds(self, images: int, *, scored: int) -> float:
        """Return what a training on so many images takes, and scoring afterwards."""
        shown = max(self.passes * images, self.least)
        return self.runs * shown * self.per_image + self.members * scored * self.per_score


def _pace(project: Project, arch: str) -> _Pace | None:
    """Return what trainings of this network took in the project, None where there was none."""
    wanted = engine_search.facts_of(arch)
    sizes = dict(Iteration.objects.filter(run__project=project).values_list("number", "train_size"))
    found: list[tuple[float, float, float, float]] = []
    models = ModelVersion.objects.filter(run__project=project).order_by("-iteration")
    for name, number, told in models.values_list("arch", "iteration", "metrics")[:MOST_MODELS]:
        facts = engine_search.facts_of(name)
        if (
            wanted is None
            or facts is None
            or (facts.net, facts.fresh) != (wanted.net, wanted.fresh)
        ):
            continue
        shown, size = told.get("samples_shown"), sizes.get(number)
        if shown and size and not facts.outside:
            score = told["score_seconds"] / facts.members
            found.append((shown / facts.runs, size, told["train_seconds"] / shown, score))
    if not found or wanted is None:
        return None
    n = Run.objects.values_list("n", flat=True).get(project=project)
    return _Pace(
        passes=min(shown / size for shown, size, _rate, _score in found),
        least=min(shown for shown, _size, _rate, _score in found),
        per_image=found[0][2],
        per_score=found[0][3] / max(n, 1),
        runs=wanted.runs,
        members=wanted.members,
    )
