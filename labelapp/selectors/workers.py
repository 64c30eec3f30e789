"""Who does the jobs: workers that beat, their machines, and what waits when there are none."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp.models import Job, Project, Run, WorkerBeat
from labelapp.selectors.job_words import kind_words
from labelapp.selectors.jobs import LIVE
from labelapp.selectors.money_words import NBSP, number

SURE_SECONDS = 5.0  # a worker that was there so lately is not looked for again
SHOWN = 20


@dataclass(frozen=True)
class WorkerView:
    """A worker as pages show it; `facts` are (name, text, 0..100 or None) about its machine."""

    name: str
    host: str
    fresh: bool
    beat: datetime
    started: datetime
    facts: list[tuple[str, str, int | None]]
    versions: str


def workers() -> list[WorkerView]:
    """Return the workers that gave a sign of life today, those that live first."""
    now = timezone.now()
    found = WorkerBeat.objects.order_by("-beat")[:SHOWN]
    return [_view(one, now) for one in found]


def _view(one: WorkerBeat, now: datetime) -> WorkerView:
    info = one.info if isinstance(one.info, dict) else {}
    return WorkerView(
        name=one.name,
        host=one.name.rpartition(":")[0] or one.name,
        fresh=one.beat > now - WorkerBeat.FRESH,
        beat=one.beat,
        started=one.started,
        facts=_facts(info),
        versions=" · ".join(f"{name} {text}" for name, text in info.get("versions", {}).items()),
    )


def _facts(info: dict[str, Any]) -> list[tuple[str, str, int | None]]:
    facts: list[tuple[str, str, int | None]] = []
    if "cpu" in info:
        cores = _("%(percent)s of %(n)s cores") % {
            "percent": _percent(info["cpu"]),
            "n": number(info.get("cores") or 1),
        }
        facts.append((_("Processor"), cores, round(info["cpu"])))
    facts += _sizes(_("Memory"), info.get("memory"))
    for gpu in info.get("gpus", []):
        facts.append((str(gpu["name"]), _percent(gpu["used"]), round(gpu["used"])))
        facts += _sizes(_("Its memory"), gpu.get("memory"))
    if "gpus" in info and not info["gpus"]:
        facts.append((_("Accelerator"), _("none: trainings use the processor"), None))
    facts += _sizes(_("Disk of the data folder"), info.get("disk"))
    return facts


def _sizes(name: str, pair: list[int] | None) -> list[tuple[str, str, int | None]]:
    """Say how many of so many bytes are used."""
    if not pair or not pair[1]:
        return []
    used, total = pair
    text = _("%(used)s of %(total)s") % {"used": _gigabytes(used), "total": _gigabytes(total)}
    return [(name, text, round(100 * used / total))]


def _gigabytes(size: int) -> str:
    gigabytes = size / 1e9
    return f"{number(gigabytes, 0 if gigabytes >= 10 else 1)}{NBSP}GB"


def _percent(value: float) -> str:
    return f"{number(value)}{NBSP}%"


# --- nobody there ---------------------------------------------------------------------------------


_sure: dict[str, float] = {}  # data folder -> until when nobody looks again


def worker_missing() -> bool:
    """Tell whether no worker lives. Asks the database at most each five seconds while one does."""
    place, now = str(settings.DATA_DIR), time.monotonic()
    if _sure.get(place, 0.0) > now:
        return False
    since = timezone.now() - WorkerBeat.FRESH
    if not WorkerBeat.objects.filter(beat__gt=since).exists():
        _sure.pop(place, None)
        return True
    _sure[place] = now + SURE_SECONDS
    return False


def waits_for_worker(project: Project) -> list[str]:
    """Return what of this project waits although no worker lives, in words; nothing usually."""
    if not worker_missing():
        return []
    jobs = Job.objects.filter(project=project, state__in=LIVE).order_by("pk")
    kinds = list(dict.fromkeys(jobs.values_list("kind", flat=True)[:50]))
    if not kinds and project.status == Project.Status.RUNNING and project.archived_at is None:
        run = Run.objects.filter(project=project, request_kind="train", failure="", finished=None)
        kinds = ["train"] if run.exists() else []
    return [kind_words(kind) for kind in kinds]
