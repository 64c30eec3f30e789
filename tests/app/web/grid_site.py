"""A model and planted gold for the site of the labelling page's tests.

Image n is of class n % (number of classes) for the model, surely; its features say the same.
"""

from __future__ import annotations

import subprocess
import sys

from tests.app.web.labelling_site import ROOT, Site, environment


def teach(site: Site, *gold: int) -> None:
    """Give the site's project a model, and make these images gold of the class after theirs."""
    subprocess.run(
        [sys.executable, "-m", "tests.app.web.grid_site", site.project, *map(str, gold)],
        cwd=ROOT,
        env=environment(site.folder),
        check=True,
    )


def fill(public_id: str, gold: list[int]) -> None:
    import django  # noqa: PLC0415 - the settings come from the environment

    django.setup()
    import numpy as np  # noqa: PLC0415

    from labelapp import models  # noqa: PLC0415
    from tests.app.model_help import add_model  # noqa: PLC0415

    project = models.Project.objects.get(public_id=public_id)
    images, classes = list(project.images.order_by("seq")), project.classes.count()
    said = np.arange(len(images)) % classes
    sure = np.linspace(0.9, 0.6, len(images))[:, None]
    probs = np.eye(classes)[said] * sure + (1 - sure) / classes
    noise = np.random.default_rng(0).normal(0, 0.1, (len(images), classes))
    add_model(project, probs, np.eye(classes)[said] + noise)
    for seq in gold:
        truth = project.classes.get(index=(seq + 1) % classes)
        item = {"project": project, "image": images[seq], "source": "uploaded"}
        models.GoldItem.objects.create(**item, label_class=truth)
        models.Task.objects.filter(image=images[seq]).delete()


if __name__ == "__main__":
    fill(sys.argv[1], [int(seq) for seq in sys.argv[2:]])
