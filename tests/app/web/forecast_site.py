"""A site whose project has a forecast, a test set image by image, and money; more on request.

`python -m tests.app.web.forecast_site PID` fills it, with `spend` it books one more label,
with `archive` the project gets another name and is archived.
"""

from __future__ import annotations

import subprocess
import sys

from tests.app.web.labelling_site import ROOT, Site, environment

ROWS = [(0, 0, 0.97)] * 20 + [(0, 1, 0.62)] * 4 + [(1, 1, 0.91)] * 15 + [(2, 0, 0.7)] * 3


def fill(site: Site, *what: str) -> None:
    """Do it in a process of its own: Playwright's sync API and the ORM do not go together."""
    subprocess.run(
        [sys.executable, "-m", "tests.app.web.forecast_site", site.project, *what],
        cwd=ROOT,
        env=environment(site.folder),
        check=True,
    )


def main(public_id: str, what: str = "") -> None:
    import django  # noqa: PLC0415 - the settings come from the environment

    django.setup()
    from labelapp import models  # noqa: PLC0415
    from tests.app import dashboard_data, what_if_data  # noqa: PLC0415

    project = models.Project.objects.get(public_id=public_id)
    if what == "archive":
        models.Project.objects.filter(pk=project.pk).update(
            name="Other & more", archived_at=project.created
        )
        dashboard_data.say(project, "project.archived")
        return
    if what != "spend":
        models.Project.objects.filter(pk=project.pk).update(name="Shapes", archived_at=None)
        models.Run.objects.filter(project=project).delete()
        run = what_if_data.run(project)
        models.Membership.objects.filter(user__email="ann@example.org").update(role="viewer")
        columns = list(zip(*ROWS, strict=True))
        names = ("label", "pred", "confidence")
        profile = {name: list(column) for name, column in zip(names, columns, strict=True)}
        last = run.iterations.order_by("-number")[0]
        last.profile = profile | {"margin": profile["confidence"], "seq": list(range(len(ROWS)))}
        last.save(update_fields=["profile"])
        return
    batch = models.LabelBatch.objects.filter(project=project).latest("pk")
    dashboard_data.answer(batch, 1)
    dashboard_data.say(project, "run.paused")


if __name__ == "__main__":
    main(*sys.argv[1:])
