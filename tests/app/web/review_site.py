"""Questions for reviewers, on the site of the labelling page's tests; Ben becomes the reviewer.

Ann labels the first images as "circle", cannot tell the next three, and people ask about all.
"""

from __future__ import annotations

import subprocess
import sys

from tests.app.web.labelling_site import ROOT, Site, environment


def puzzle(site: Site) -> None:
    """Give the site's project a reviewer and open reviews of each kind."""
    subprocess.run(
        [sys.executable, "-m", "tests.app.web.review_site", site.project],
        cwd=ROOT,
        env=environment(site.folder),
        check=True,
    )


def fill(public_id: str) -> None:
    import django  # noqa: PLC0415 - the settings come from the environment

    django.setup()
    from labelapp import models  # noqa: PLC0415
    from labelapp.selectors.projects import access  # noqa: PLC0415
    from labelapp.services import labelling, questions  # noqa: PLC0415
    from tests.app.services.labelling_help import answer  # noqa: PLC0415

    models.Membership.objects.filter(user__email="ben@example.org").update(role="reviewer")
    ann = access(models.User.objects.get(email="ann@example.org"), public_id)
    held = labelling.next_tasks(access=ann, count=21).held
    said = [answer(ann, task.task_id, **{"class": 0}) for task in held[:18]]
    said += [answer(ann, task.task_id, "unsure") for task in held[18:]]
    labelling.submit(access=ann, answers=said)
    for number, task in enumerate(held[:18]):
        questions.ask(
            project_id=ann.project.pk,
            image_id=task.image_id,
            reason="sample" if number >= 15 else "disagreement",
            task_id=task.task_id,
            person_id=ann.user.pk,
        )


if __name__ == "__main__":
    fill(sys.argv[1])
