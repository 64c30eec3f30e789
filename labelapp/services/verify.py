"""Verify by exception: a page of images of one predicted class; people mark the wrong ones.

Planted among them are images that are known to be of another class. A page with a plant passed
over, or answered too fast, is sent back: nothing of it is stored. What is stored goes through
`labelling.submit` like every other answer: charges, votes and undo are the same.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp.errors import ConflictError, InvalidInputError, NotFoundError, UnknownClassError
from labelapp.models import Answer, Task, VerifyPage
from labelapp.selectors import verify as reads
from labelapp.selectors.predictions import model_of
from labelapp.selectors.projects import Access
from labelapp.services import labelling
from labelapp.services.claims import claim_chosen
from labelapp.services.leases import NO_LEASE, gives_out_tasks, one_writer, renew, task_token

FEWEST_TILES, MOST_TILES = 20, 60
MS_PER_TILE = 150  # nobody has looked at pictures that went by faster
PLANTS_PER_TILE = 0.05
_SPACE = uuid.UUID("6f2a1f0e-5a6b-4c6f-9a55-1d1f1c9d7a10")  # of the answers' ids


@dataclass(frozen=True)
class Opened:
    """A page, or why there is none: no_predictions, no_model, closed, paused, nothing_left."""

    page: VerifyPage | None
    reason: str = ""
    classes: dict[int, int] = field(default_factory=dict)  # by class index: open images looked at


@dataclass(frozen=True)
class Outcome:
    """What became of a page: taken, or returned because it was too fast or a plant was missed."""

    state: str
    reason: str = ""
    results: list[dict[str, object]] = field(default_factory=list)  # one for each answer
    answers: list[tuple[int, str, int]] = field(default_factory=list)  # task, token, class index
    released: int = 0


def open_page(
    *, access: Access, page_id: uuid.UUID, class_index: int | None = None, count: int = 40
) -> Opened:
    """Open a page of up to `count` images of one predicted class, the surest first.

    Without a class it is the one with the most open images. The id is made by the client: asking
    again returns the same page. Raises ConflictError where the id is somebody else's page.
    """
    known = VerifyPage.objects.filter(pk=page_id).first()
    if known is not None:
        return Opened(_own(access, known))
    if reason := _closed(access):
        return Opened(None, reason)
    found = reads.candidates(access)
    classes = dict(reads.per_class(found).most_common())
    index = class_index if class_index is not None else next(iter(classes), None)
    mine = [one for one in found if one.guess.class_index == index]
    page = _fill(access, page_id, index, mine, _tiles(count)) if index is not None else None
    return Opened(page, "" if page else "nothing_left", classes)


def _closed(access: Access) -> str:
    """Return why this person gets no pages; empty where they do."""
    if not gives_out_tasks(access.project):
        return "closed"
    if access.paused_at is not None:
        return "paused"
    if not access.project.predictions:
        return "no_predictions"
    return "" if model_of(access.project) else "no_model"


def _tiles(count: int) -> int:
    return max(FEWEST_TILES, min(count, MOST_TILES))


def _own(access: Access, page: VerifyPage) -> VerifyPage:
    if (page.project_id, page.user_id) != (access.project.pk, access.user.pk):
        raise ConflictError(_("This page was made by somebody else."))
    return page


def _fill(
    access: Access, page_id: uuid.UUID, index: int, mine: list[reads.Candidate], count: int
) -> VerifyPage | None:
    """Lease the surest images of the class, mix plants among them, and store the page."""
    seed = secrets.token_hex(16)  # the page's id would do, but the client chooses that
    planted = reads.plants(access, index, max(1, round(count * PLANTS_PER_TILE)), seed)
    mine = sorted(mine, key=lambda one: -one.guess.confidence)
    chosen = reads.unmarked(access, mine[: 3 * count])[: count - len(planted)]
    with one_writer():
        held = claim_chosen(access=access, task_ids=[one.task_id for one in chosen])
        leased = {task.task_id for task in held}
        tiles = [{"task": o.task_id, "seq": o.seq} for o in chosen if o.task_id in leased]
        if not tiles:
            return None
        if _was_returned(access, index):  # the same pictures in the same places teach nothing
            order = reads.shuffled([tile["seq"] for tile in tiles], seed)
            tiles.sort(key=lambda tile: order.index(tile["seq"]))
        for seq in planted:
            place = int(seed[:8], 16) * (seq + 1) % (len(tiles) + 1)
            tiles.insert(place, {"task": 0, "seq": seq, "plant": True})
        return VerifyPage.objects.create(
            id=page_id,
            project=access.project,
            user=access.user,
            class_index=index,
            tiles=tiles,
            plants=len(planted),
        )


def _was_returned(access: Access, index: int) -> bool:
    pages = VerifyPage.objects.filter(project=access.project, user=access.user, class_index=index)
    last = pages.order_by("-created").values_list("state", flat=True).first()
    return last == VerifyPage.State.RETURNED


def keep(*, access: Access, page_id: uuid.UUID) -> None:
    """Renew the leases of a page that is on screen. Raises NotFoundError."""
    page = _page(access, page_id)
    with one_writer():
        renew(access=access, holding=[tile["task"] for tile in page.tiles if tile["task"]])


def submit_page(
    *,
    access: Access,
    page_id: uuid.UUID,
    shown_ms: int,
    wrong: Mapping[int, int | None],
    guideline_version: int = 0,
) -> Outcome:
    """Take a page: `wrong` maps the places of wrong tiles to their class, None: others are asked.

    Safe to repeat: what a page was answered with first counts. Raises NotFoundError,
    InvalidInputError for places that the page does not have, UnknownClassError.
    """
    with one_writer():
        page = _page(access, page_id, lock=True)
        if page.state != VerifyPage.State.OPEN:
            return _repeated(access, page)
        _check(access, page, wrong)
        page.shown_ms = max(0, min(shown_ms, _age_ms(page)))
        page.caught = sum(_caught(page, place, wrong) for place, _tile in _plants(page))
        page.closed = timezone.now()
        if reason := _why_returned(page):
            return _return(access, page, reason)
        return _take(access, page, wrong, guideline_version)


def _page(access: Access, page_id: uuid.UUID, *, lock: bool = False) -> VerifyPage:
    pages = VerifyPage.objects.select_for_update() if lock else VerifyPage.objects.all()
    page = pages.filter(pk=page_id, project=access.project, user=access.user).first()
    if page is None:
        raise NotFoundError(_("There is no such page."))
    return page


def _check(access: Access, page: VerifyPage, wrong: Mapping[int, int | None]) -> None:
    if not all(0 <= place < len(page.tiles) for place in wrong):
        raise InvalidInputError(_("The page has no such image."))
    classes = set(access.project.classes.filter(archived=False).values_list("index", flat=True))
    given = {page.class_index, *(index for index in wrong.values() if index is not None)}
    unknown = given - classes
    if unknown:
        raise UnknownClassError(_("The project has no such class."), **{"class": min(unknown)})


def _age_ms(page: VerifyPage) -> int:
    """Return since when the page exists: whatever the client's clock says, no longer than that."""
    return int((timezone.now() - page.created).total_seconds() * 1000)


def _plants(page: VerifyPage) -> list[tuple[int, dict[str, Any]]]:
    return [(place, tile) for place, tile in enumerate(page.tiles) if tile.get("plant")]


def _caught(page: VerifyPage, place: int, wrong: Mapping[int, int | None]) -> bool:
    return place in wrong and wrong[place] != page.class_index


def _why_returned(page: VerifyPage) -> str:
    if page.shown_ms < MS_PER_TILE * len(page.tiles):
        return "fast"
    return "missed" if page.caught < page.plants else ""


def _return(access: Access, page: VerifyPage, reason: str) -> Outcome:
    """Send the page back: nothing is stored, and its tasks are free again."""
    page.state = VerifyPage.State.RETURNED
    page.save()
    _release(access, [tile["task"] for tile in page.tiles if tile["task"]])
    return Outcome(page.state, reason)


def _take(
    access: Access, page: VerifyPage, wrong: Mapping[int, int | None], guideline_version: int
) -> Outcome:
    """Store the answers: the page's class, another where one was given, none where only marked."""
    released = []
    for place, tile in enumerate(page.tiles):
        if tile.get("plant"):
            continue
        tile["given"] = wrong.get(place, page.class_index)
        if tile["given"] is None:
            tile["wrong"] = True  # this person is not asked again on such a page
            released.append(tile["task"])
    page.state = VerifyPage.State.TAKEN
    page.save()
    each = page.shown_ms // len(page.tiles)
    sent = [
        {
            "id": str(uuid.uuid5(_SPACE, f"{page.pk}:{task}")),
            "task": task,
            "token": token,
            "kind": Answer.Kind.CLASS,
            "class": index,
            "active_ms": each,
            "how": "verify",
            "guideline_version": guideline_version,
        }
        for task, token, index in _given(access, page)
    ]
    work = labelling.submit(access=access, answers=sent)
    _release(access, released)  # tasks after batches, as answers lock them
    return Outcome(page.state, "", work.results, _given(access, page), len(released))


def _repeated(access: Access, page: VerifyPage) -> Outcome:
    """Return what became of a page that was answered before."""
    if page.state == VerifyPage.State.RETURNED:
        return Outcome(page.state, _why_returned(page))
    released = sum(bool(tile.get("wrong")) for tile in page.tiles)
    return Outcome(page.state, "", [], _given(access, page), released)


def _given(access: Access, page: VerifyPage) -> list[tuple[int, str, int]]:
    """Return the tasks that the page answered, with their tokens and classes."""
    me, project = access.user.pk, access.project.pk
    return [
        (
            tile["task"],
            task_token(task_id=tile["task"], user_id=me, project_id=project),
            tile["given"],
        )
        for tile in page.tiles
        if tile.get("given") is not None
    ]


def _release(access: Access, task_ids: list[int]) -> None:
    """Free this person's leases on these tasks."""
    Task.objects.filter(
        pk__in=task_ids, lease_user=access.user, state__in=[Task.State.OPEN, Task.State.EXPERT]
    ).update(**NO_LEASE)
