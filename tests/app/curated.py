"""A search for the best training set that has ended, with its files, for tests of what uses it."""

from __future__ import annotations

import numpy as np

from labelapp.models import Curation, Label, Project
from labelapp.selectors.curations import folder


def curated(project: Project, parts: dict[int, int], **changes) -> Curation:
    """Store a search that is done: `parts` gives stage, 0 (left out) or -1 (held out) by seq."""
    values = {"state": "done", "settings": {"share": 0.5, "scheme": "build_up", "model": "x"}}
    curation = Curation.objects.create(
        project=project, n=len(parts), labels_sha256="5" * 64, **{**values, **changes}
    )
    rows = np.array(sorted(parts), dtype=np.int64)
    labels = dict(Label.objects.filter(project=project).values_list("seq", "class_index"))
    where = folder(curation)
    where.mkdir(parents=True)
    np.save(where / "rows.npy", rows)
    np.save(where / "part.npy", np.array([parts[seq] for seq in rows.tolist()], dtype=np.int16))
    np.save(where / "labels.npy", np.array([labels.get(seq, 0) for seq in rows.tolist()]))
    return curation
