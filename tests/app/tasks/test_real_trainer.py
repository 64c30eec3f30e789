"""A whole run with the real training program."""

from __future__ import annotations

from pathlib import Path

import pytest

from labelapp.models import Label
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
