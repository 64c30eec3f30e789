"""A trained model for tests: rows and score files as a training would leave them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from django.conf import settings

from labelapp.models import ModelVersion, Project
from labelapp.selectors import predictions


def add_model(
    project: Project, probs: np.ndarray, features: np.ndarray | None = None, **changes: object
) -> ModelVersion:
    """Store a model that gives these probabilities [N, classes]; it is the newest from now on."""
    number = project.run.models.count() + 1
    folder = f"models/{project.public_id}/{number:03d}"
    path = Path(settings.MEDIA_ROOT) / folder
    path.mkdir(parents=True)
    probs = np.ascontiguousarray(probs, dtype=np.float64)
    np.save(path / "probs.npy", probs.astype(np.float16))
    np.save(path / "pred.npy", probs.argmax(1).astype(np.uint16))
    np.save(path / "least.npy", (1 - probs.max(1)).astype(np.float32))
    if features is not None:
        np.save(path / "features.npy", np.ascontiguousarray(features, dtype=np.float16))
    sha256 = hashlib.sha256(folder.encode()).hexdigest()
    fields = {"iteration": number, "arch": "cnn_small", "folder": folder, "sha256": sha256}
    predictions.forget()
    return ModelVersion.objects.create(run=project.run, **{**fields, **changes})
