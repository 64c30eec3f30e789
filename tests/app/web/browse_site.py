"""Labels, and suspicions about some of them, on the site of the labelling page's tests.

Ben becomes a manager. `python -m tests.app.web.browse_site PID` fills it, `... work` does what
waits, as a worker would.
"""

from __future__ import annotations

import subprocess
import sys

from tests.app.web.labelling_site import ROOT, Site, environment


def fill(site: Site, *what: str) -> None:
    """Do it in a process of its own: Playwright's sync API and the ORM do not go together."""
    subprocess.run(
        [sys.executable, "-m", "tests.app.web.browse_site", site.project, *what],
        cwd=ROOT,
        env=environment(site.folder),
        check=True,
    )


def main(public_id: str, what: str = "") -> None:
    import django  # noqa: PLC0415 - the settings come from the environment

    django.setup()
    from labelapp import models, tasks  # noqa: PLC0415
    from labelapp.selectors.projects import access  # noqa: PLC0415
    from labelapp.services import labelling  # noqa: PLC0415
    from tests.app.services.labelling_help import answer  # noqa: PLC0415

    if what == "work":
        for job in models.Job.objects.filter(state="waiting", kind="bulk"):
            tasks.run_job(job.pk)
        return
    models.Membership.objects.filter(user__email="ben@example.org").update(role="manager")
    ann = access(models.User.objects.get(email="ann@example.org"), public_id)
    held = labelling.next_tasks(access=ann, count=90).held
    said = [answer(ann, one.task_id, **{"class": n % 2}) for n, one in enumerate(held)]
    labelling.submit(access=ann, answers=said)
    labels = list(models.Label.objects.filter(project=ann.project).order_by("seq")[:3])
    models.LabelReport.objects.create(
        project=ann.project, summary={"human": 90, "machine": 0, "found": 3, "pairs": []}
    )
    for place, label in enumerate(labels):
        models.LabelIssue.objects.create(
            project=ann.project,
            image_id=label.pk,
            seq=label.seq,
            source="human",
            given=label.class_index,
            suggested=2,
            score=place / 10,
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
