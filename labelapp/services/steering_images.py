"""Images that were added to a run that has begun: a row of the history, and the way back.

Until they join the run, nothing was spent for them and they can be taken out again: the images
behind a number, for numbers stay dense. The newest addition goes first.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.utils.translation import gettext as _

from labelapp import engine_steering, events
from labelapp.errors import ConflictError
from labelapp.models import (
    Exclusion,
    Image,
    Import,
    Project,
    ProjectCounter,
    Run,
    SteeringAction,
)
from labelapp.selectors import steering as found
from labelapp.selectors.projects import Access
from labelapp.selectors.steering_reasons import TOO_LATE
from labelapp.services import audit, pool_tensor, runs
from labelapp.services.batches import chunks
from labelapp.services.image_files import media_path, thumb_key
from labelapp.services.leases import one_writer
from labelapp.services.steering import claim, computed, mark_undone

CHUNK = 1_000
ASKED = 500  # images that one question after others of the same content names


def added(record: Import) -> SteeringAction | None:
    """Write down that an import has brought images into a run that has begun; None otherwise.

    Call it in the transaction in which the import ends. What came since the last such row (or
    since the run took images in) belongs to this one: imports that ran together share nothing.
    """
    project = Project.objects.get(pk=record.project_id)
    run = Run.objects.defer("state").filter(project=project).first()
    if run is None:
        return None
    counter = ProjectCounter.objects.select_for_update(no_key=True).get(project=project)
    first = max(run.n, _known(project))
    count = counter.images - first
    if count <= 0:
        return None
    known = found.gather(project)
    params = {"import": record.pk, "first": first, "count": count}
    action = SteeringAction.objects.create(
        project=project,
        user=record.created_by,
        action="images",
        params=params,
        said=_said(known, count),
        version=run.version,
        spent=known.spent,
    )
    audit.write(
        user=record.created_by,
        project=project,
        action="images.added",
        target=record.kind,
        after={"images": count, "import": record.pk},
    )
    return action


def _known(project: Project) -> int:
    """Return the number behind the last image that a row of the history tells of."""
    rows = SteeringAction.objects.filter(project=project, action="images", undone_at=None)
    last = rows.order_by("-pk").values_list("params", flat=True).first()
    return last["first"] + last["count"] if last else 0


def _said(known: found.Known, count: int) -> dict[str, object]:
    """Return what the images page said: the test labels that are bought first."""
    each = found.image_share(known)
    if each is None or known.phase in found.ENDING:
        return {"now": None}
    marks, cost = each
    share = count / found.FIRST
    return {"marks": round(marks * share), "now": str(round(float(cost) * share, 6))}


def undo(access: Access, run: Run, action: SteeringAction) -> None:
    """Take the images out again. Raises ConflictError once they have joined, RunMovedError.

    Their files go when the transaction has ended.
    """
    first = int(action.params["first"])
    state = computed(lambda: engine_steering.without_images(run, first))
    with one_writer():
        claim(run, state)
        counter = ProjectCounter.objects.select_for_update(no_key=True).get(project=run.project)
        if why := found.images_too_late(run, action, counter.images):
            raise ConflictError(_(TOO_LATE[why]))
        keys = _delete(run.project, first, counter)
        mark_undone(access, run, action)
        runs.ensure_job(run)
        payload = {"action": "images", "id": action.pk, "undone": True}
        events.record(run.project_id, "run.steered", payload)
        transaction.on_commit(lambda: _remove(run.project, first, keys), robust=True)


def _delete(project: Project, first: int, counter: ProjectCounter) -> list[tuple[str, str, str]]:
    """Delete the images from this number on; return the keys and hashes of their files."""
    images = Image.objects.filter(project=project, seq__gte=first)
    keys = list(images.values_list("original_key", "display_key", "sha256"))
    excluded = Exclusion.objects.filter(image__project=project, image__seq__gte=first).count()
    for start in range(first, counter.images, CHUNK):
        images.filter(seq__gte=start, seq__lt=start + CHUNK).delete()
    counter.images, counter.excluded = first, counter.excluded - excluded
    counter.save(update_fields=["images", "excluded"])
    return keys


def _remove(project: Project, first: int, keys: Iterable[tuple[str, str, str]]) -> None:
    """Remove the files of images that are gone, but of those that came in again since."""
    pool_tensor.forget(project, first)
    for part in chunks(keys, ASKED):
        some = [sha256 for _original, _display, sha256 in part]
        here = Image.objects.filter(project=project, sha256__in=some)
        again = set(here.values_list("sha256", flat=True))
        for original, display, sha256 in part:
            if sha256 not in again:
                for key in (original, display, thumb_key(project.public_id, sha256)):
                    media_path(key).unlink(missing_ok=True)
