"""What the browser does to images: to one, to those chosen, or to all that pass a filter."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from labelapp import events, queue
from labelapp.errors import InvalidInputError
from labelapp.models import Job
from labelapp.rights import Right
from labelapp.selectors.browse_panel import image_of
from labelapp.selectors.browse_query import parse
from labelapp.selectors.money_words import number
from labelapp.selectors.projects import Access
from labelapp.selectors.stored_words import stored_words
from labelapp.services import bulk, image_actions
from labelapp.services.image_actions import Action
from labelapp.services.leases import one_writer
from labelapp.web.base import project_page

MAX_SEQ = 2**31 - 1


@require_POST
@project_page(Right.BROWSE)
def decide(request: HttpRequest, access: Access, seq: int) -> JsonResponse:
    """Do something to one image."""
    found = image_of(access.project, min(seq, MAX_SEQ))
    action = _action(request)
    with one_writer():
        image_actions.act(access=access, image_id=found.image_id, action=action)
        payload = {"action": action.kind, "stage": "one", "seen": 1}
        events.record(access.project.pk, "labels.changed", payload)
    return JsonResponse({"ok": True})


@require_POST
@project_page(Right.BROWSE)
def start(request: HttpRequest, access: Access) -> JsonResponse:
    """Count the images that an action is meant for."""
    query = parse(dict(parse_qsl(request.POST.get("query", "")[:1000])))
    seqs = [_whole(text) for text in request.POST.get("seqs", "").split(",") if text]
    job = bulk.prepare(access=access, query=query, action=_action(request), seqs=seqs)
    return _reply(access, job)


@require_safe
@project_page(Right.BROWSE)
def state(request: HttpRequest, access: Access, job_id: int) -> JsonResponse:
    """Say how far a bulk action is."""
    return _reply(access, bulk.find(access, job_id))


@require_POST
@project_page(Right.BROWSE)
def go_on(request: HttpRequest, access: Access, job_id: int) -> JsonResponse:
    """Confirm a counted action, cancel one that runs, or take one back."""
    kind = request.POST.get("do", "")
    if kind == "confirm":
        return _reply(access, bulk.confirm(access=access, job_id=job_id))
    if kind == "undo":
        return _reply(access, bulk.undo(access=access, job_id=job_id))
    if kind == "cancel":
        bulk.cancel(access=access, job_id=job_id)
        return _reply(access, bulk.find(access, job_id))
    raise InvalidInputError(_("Choose what to do with the images."), do=kind)


def _action(request: HttpRequest) -> Action:
    kind, text = request.POST.get("action", ""), request.POST.get("class", "")
    return Action(kind, _whole(text) if text else None)


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= MAX_SEQ):
        raise InvalidInputError(_("The request has a wrong value."))
    return int(text)


def _reply(access: Access, job: Job) -> JsonResponse:
    live = job.state in queue.LIVE
    params = job.params
    reply = {
        "ok": True,
        "job": job.pk,
        "stage": params["stage"],
        "state": job.state,
        "live": live,
        "progress": job.progress,
        "total": params.get("total"),
        "words": _words(access, job),
        "left": [
            {"why": stored_words(_(why)), "count": count}
            for why, count in params.get("skipped", {}).items()
        ],
        "undoable": params["stage"] == "do" and params["action"] != "readmit" and not live,
        "noWorker": live and not queue.worker_alive(),
        "url": reverse("browse_bulk_job", args=[access.project.public_id, job.pk]),
        "goUrl": reverse("browse_bulk_go", args=[access.project.public_id, job.pk]),
    }
    return JsonResponse(reply)


def _words(access: Access, job: Job) -> str:
    """Say where the action is, and what its button will do."""
    params: dict[str, Any] = job.params
    total, seen = params.get("total"), params.get("seen", 0)
    if job.state == Job.State.FAILED:
        return stored_words(job.message)
    if total is None:
        return _("Counting the images…")
    if params["stage"] == "count":
        return ngettext("%(n)s image", "%(n)s images", total) % {"n": number(total)}
    changed = max(0, seen - sum(params.get("skipped", {}).values()))
    if job.state in queue.LIVE:
        return _("%(seen)s of %(total)s images") % {"seen": number(seen), "total": number(total)}
    if params["stage"] == "undo":
        words = ngettext("Taken back: %(n)s image.", "Taken back: %(n)s images.", changed)
    elif job.state == Job.State.CANCELLED:
        words = ngettext(
            "Stopped: %(n)s image is done and stays so.",
            "Stopped: %(n)s images are done and stay so.",
            changed,
        )
    else:
        words = ngettext("Done: %(n)s image.", "Done: %(n)s images.", changed)
    return words % {"n": number(changed)}


_PAGE = "p/<str:pid>/browse/"
urlpatterns: list[URLPattern] = [
    path(f"{_PAGE}image/<int:seq>/decide/", decide, name="browse_decide"),
    path(f"{_PAGE}bulk/", start, name="browse_bulk"),
    path(f"{_PAGE}bulk/<int:job_id>/", state, name="browse_bulk_job"),
    path(f"{_PAGE}bulk/<int:job_id>/go/", go_on, name="browse_bulk_go"),
]
