"""A whole run that races ways to train, with the real training program: minutes, so `slow`."""

from __future__ import annotations

import pytest
from django.test import override_settings

from labelapp.models import Label, ModelVersion
from labelapp.settings import TRAINER_COMMAND
from mcal_engine.candidates import parse
from tests.app.tasks import driving, whole_runs
from tests.app.tasks.test_pretrained_training import write_weights

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

N = 700
TRAINING = {"epochs": 3, "min_steps": 60, "pseudo_threshold": 0.6, "pseudo_floor": 0.6}
SETTINGS = {"first": 60, "fixed_delta": 100, "training": TRAINING}
"""Batches large enough for pseudo-labels to be calibrated on them."""
RACES = (
    ("cnn_small+pseudo", ["cnn_small+tuned", "cnn_small+frozen"]),
    ("cnn_small+semi", ["cnn_small+checkpoints=3"]),
)


@pytest.mark.parametrize(("leader", "rivals"), RACES)
def test_a_race_of_ways_to_train_ends_with_a_verified_certificate(
    leader, rivals, tmp_path, django_db_blocker, settings
):
    weights = tmp_path / "weights"
    weights.mkdir()
    write_weights(weights)
    settings.WEIGHTS_DIR = str(weights)
    rules = {"arch": leader, "rivals": rivals, "settings": SETTINGS}
    with (
        whole_runs.world(tmp_path, django_db_blocker, N, **rules) as (project, cast),
        override_settings(TRAINER_COMMAND=TRAINER_COMMAND),
    ):
        driving.run_to_the_end(project, cast.annotator)
        assert Label.objects.filter(project=project).count() == N
        models = ModelVersion.objects.filter(run=project.run).order_by("pk")
        first = models.filter(iteration=models[0].iteration).values_list("arch", flat=True)
        assert set(first) == {leader, *rivals}  # each was really trained
        for model in models:
            way = parse(model.arch)
            assert model.metrics.get("members", 1) == way.checkpoints
            assert ("pseudo" in model.metrics) == way.pseudo
        learnt = [model.metrics["pseudo"]["items"] for model in models if "pseudo" in model.arch]
        assert not learnt or learnt[0] == 0 < max(learnt)  # the first round has no earlier model
        assert whole_runs.verified(project, tmp_path)
