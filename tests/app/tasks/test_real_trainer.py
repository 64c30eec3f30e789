"""A whole run with the real training program."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from labelapp.models import Label
from labelapp.selectors.predictions import Asked, model_of, top_of
from tests.app.tasks import driving


@pytest.mark.slow
@pytest.mark.django_db
def test_a_run_with_the_real_trainer_finishes(project, cast, settings):
    driving.fill(project, Path(settings.MEDIA_ROOT), 600)
    driving.start(project, cast.owner)
    driving.run_to_the_end(project, cast.annotator)
    assert Label.objects.filter(project=project).count() == 600
    model = project.run.models.order_by("iteration").first()
    assert model.metrics["samples_shown"] > 0
    assert model.metrics["peak_rss_mib"] < 1536
    newest = project.run.models.order_by("-iteration").first()
    images = project.images.order_by("seq")[:3]
    top = top_of(project, [Asked(image.seq, image.pk, "residual") for image in images])
    pred = np.load(Path(settings.MEDIA_ROOT) / newest.folder / "pred.npy")
    assert all(pred[seq] in classes[:2] for seq, classes in top.items())  # half numbers may tie
    assert model_of(project) == newest.sha256
