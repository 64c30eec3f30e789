"""Make and check a product that runs in other processes: `python -m ... COMMAND`.

The test's own database is another one, so everything goes through this program.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import django

django.setup()

from django.conf import settings  # noqa: E402 - needs Django set up
from django.core.management import call_command  # noqa: E402

from labelapp.models import Answer, Job, Label, LedgerEntry, Project  # noqa: E402
from labelapp.selectors.runs import recount  # noqa: E402
from tests.app.conftest import make_cast, make_project  # noqa: E402
from tests.app.tasks import driving  # noqa: E402
from tests.app.web.labelling_site import migrated  # noqa: E402


def begin() -> None:
    """Make a project whose run waits for its first training."""
    migrated(call_command)
    cast = make_cast()
    project = make_project(cast)
    driving.fill(project, Path(settings.MEDIA_ROOT), 400)
    driving.start(project, cast.owner)
    while project.run.request_kind == "label":
        driving.answer_all(project, cast.annotator)
        driving.do_one(Job.objects.get(kind="advance", state="waiting"))
        project.run.refresh_from_db()


def show() -> dict[str, object]:
    """Return what the tests look at."""
    project = Project.objects.select_related("run", "counter").get()
    expected = recount(project)
    return {
        "answers": Answer.objects.count(),
        "label_charges": LedgerEntry.objects.exclude(purpose="compute").count(),
        "trainings_charged": LedgerEntry.objects.filter(purpose="compute").count(),
        "labels": Label.objects.count(),
        "counters_right": {n: getattr(project.counter, n) for n in expected} == expected,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"begin": begin, "show": show}[sys.argv[1]]()))
