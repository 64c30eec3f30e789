"""A finished project on the site of the labelling page's tests, and a search at each of its stages.

`python -m tests.app.web.curate_site PID` finishes the project, with `running` the search that was
asked for runs, with `done` it has ended with a result.
"""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal

from tests.app.web.labelling_site import ROOT, Site, environment

PROGRESS = {
    "seed": 0,
    "step": 2,
    "steps": 5,
    "purpose": "acquire",
    "stage": 3,
    "images": 36,
    "phase": "train",
    "done": 30,
    "of": 200,
}


def fill(site: Site, *what: str) -> None:
    """Do it in a process of its own: Playwright's sync API and the ORM do not go together."""
    subprocess.run(
        [sys.executable, "-m", "tests.app.web.curate_site", site.project, *what],
        cwd=ROOT,
        env=environment(site.folder),
        check=True,
    )


def main(public_id: str, what: str = "finished") -> None:
    import django  # noqa: PLC0415 - the settings come from the environment

    django.setup()
    from labelapp import models  # noqa: PLC0415

    {"finished": finished, "running": running, "done": done}[what](
        models.Project.objects.get(public_id=public_id)
    )


def finished(project) -> None:
    """End the project; its network was trained once, so that an estimate is known."""
    from labelapp import models  # noqa: PLC0415
    from tests.app.curation_world import finish  # noqa: PLC0415

    models.Membership.objects.filter(user__email="ann@example.org").update(role="manager")
    models.Run.objects.filter(project=project).delete()
    finish(project, list(project.images.order_by("seq")))
    run = models.Run.objects.get(project=project)
    models.Iteration.objects.create(
        run=run, number=1, train_size=10, delta=0, record={}, seconds=1, dollars=Decimal(0)
    )
    told = {"samples_shown": 10, "train_seconds": 20.0, "score_seconds": 5.0}
    models.ModelVersion.objects.create(
        run=run, iteration=1, arch=project.arch, folder="", metrics=told
    )


def running(project) -> None:
    """Let the search that waits be a worker's, in the middle of a training."""
    from labelapp import models, queue  # noqa: PLC0415
    from labelapp.selectors.curations import folder  # noqa: PLC0415

    search = models.Curation.objects.get(project=project)
    models.Curation.objects.update(state="running", n=project.images.count())
    where = folder(search)
    where.mkdir(parents=True)
    (where / "progress.json").write_text(json.dumps(PROGRESS))
    models.Job.objects.filter(kind="curate").update(
        state="running",
        progress=0.25,
        message="Training 2 of 5, to choose: 36 images",
    )
    queue.beat()


def done(project) -> None:
    """End the search; another one has the result, of three repeats."""
    from labelapp import models  # noqa: PLC0415
    from tests.app.curation_world import searched  # noqa: PLC0415

    models.Job.objects.filter(kind="curate").update(state="cancelled")
    models.Curation.objects.update(state="cancelled")
    searched(project, models.User.objects.get(email="ann@example.org"))


if __name__ == "__main__":
    main(*sys.argv[1:])
