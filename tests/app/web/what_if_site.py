"""A real run for the site of the labelling page's tests: five trainings, Ann is a manager."""

from __future__ import annotations

import subprocess
import sys

from tests.app.web.labelling_site import ROOT, Site, environment


def plan(site: Site) -> None:
    """Give the site's project a run that has a forecast."""
    subprocess.run(
        [sys.executable, "-m", "tests.app.web.what_if_site", site.project],
        cwd=ROOT,
        env=environment(site.folder),
        check=True,
    )


def fill(public_id: str) -> None:
    import django  # noqa: PLC0415 - the settings come from the environment

    django.setup()
    from labelapp import models  # noqa: PLC0415
    from tests.app import what_if_data  # noqa: PLC0415

    project = models.Project.objects.get(public_id=public_id)
    models.Run.objects.filter(project=project).delete()
    what_if_data.run(project)
    models.Membership.objects.filter(user__email="ann@example.org").update(role="manager")


if __name__ == "__main__":
    fill(sys.argv[1])
