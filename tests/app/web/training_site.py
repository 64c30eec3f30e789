"""A site whose project trains, epoch by epoch: `python -m tests.app.web.training_site PID WHAT`.

`begin` starts a training of two networks of an ensemble with its first epochs, `more` tells the
next ones, `end` ends it.
"""

from __future__ import annotations

import subprocess
import sys

from tests.app.web.labelling_site import ROOT, Site, environment


def fill(site: Site, what: str) -> None:
    """Do it in a process of its own: Playwright's sync API and the ORM do not go together."""
    subprocess.run(
        [sys.executable, "-m", "tests.app.web.training_site", site.project, what],
        cwd=ROOT,
        env=environment(site.folder),
        check=True,
    )


def rows(run: int, first: int, last: int) -> list[list[float]]:
    return [[run, e, 1.9 / e**0.6, 1 - 0.7 / e**0.5] for e in range(first, last + 1)]


def main(public_id: str, what: str) -> None:
    import django  # noqa: PLC0415 - the settings come from the environment

    django.setup()
    from labelapp import models  # noqa: PLC0415
    from tests.app import dashboard_data, what_if_data  # noqa: PLC0415

    project = models.Project.objects.get(public_id=public_id)
    facts = {"iteration": 4, "arch": "cnn_small", "runs": 2}
    if what == "begin":
        models.Run.objects.filter(project=project).delete()
        what_if_data.run(project)
        models.Membership.objects.filter(user__email="ann@example.org").update(role="viewer")
        models.Job.objects.create(kind="train", key="t", project=project, state="running")
        dashboard_data.say(project, "training.started", facts | {"size": 1175})
        epochs = {"epochs": rows(1, 1, 20) + rows(2, 1, 3)}
        dashboard_data.say(project, "training.progress", facts | epochs)
    if what == "more":
        dashboard_data.say(project, "training.progress", facts | {"epochs": rows(2, 4, 11)})
    if what == "end":
        models.Job.objects.filter(key="t").update(state="done")
        dashboard_data.say(project, "training.finished", facts)
        models.ModelVersion.objects.create(
            run=project.run,
            iteration=40,
            arch="cnn_small",
            folder="x",
            sha256="y",
            metrics={"epochs": rows(1, 1, 20), "runs": 1},
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
