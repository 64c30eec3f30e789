"""A finished project with a search for the best training set that has ended: rows and files."""

from __future__ import annotations

from typing import Any

import numpy as np
from django.utils import timezone

from labelapp.models import Curation, Image, Label, Project, ProjectCounter, Run, User
from labelapp.selectors import curations
from labelapp.services.curation_settings import CurationSettings

ACCURACY = {
    "full": [0.8930, 0.8920, 0.8938],
    "search": [0.8812, 0.8838, 0.8825],
    "random": [0.8618, 0.8655, 0.8647],
}
"""Of the three repeats of docs/search.md."""


def finish(project: Project, images: list[Image], classes: int = 3) -> None:
    """Give every image a label, two of three by people, and end the project."""
    now = timezone.now()
    Run.objects.create(
        project=project,
        n=len(images),
        config={"classes": classes},
        state={},
        waiting_for="",
        request_kind="finished",
        finished=now,
    )
    Label.objects.bulk_create(
        Label(
            image=image,
            project=project,
            seq=image.seq,
            class_index=image.seq % classes,
            source="machine" if image.seq % 3 == 2 else "human",
            purpose="machine" if image.seq % 3 == 2 else "train",
        )
        for image in images
    )
    Project.objects.filter(pk=project.pk).update(status=Project.Status.FINISHED)
    machine = len(images) // 3
    ProjectCounter.objects.filter(project=project).update(
        train=len(images) - machine, machine=machine
    )
    project.refresh_from_db()


def searched(
    project: Project,
    user: User,
    *,
    state: str = "done",
    repeats: int = 3,
    files: bool = True,
    **settings: Any,
) -> Curation:
    """Add a search over the project's labels: its row, and its files where it is done.

    Of every ten images two are held out, one is of stage 1, one of stage 2, two of stage 3.
    """
    labels = list(Label.objects.filter(project=project).order_by("seq"))
    asked = CurationSettings(seeds=tuple(range(repeats)), **settings)
    done = state == "done"
    curation = Curation.objects.create(
        project=project,
        created_by=user,
        state=state,
        settings=asked.as_json(),
        n=len(labels),
        machine=sum(one.source == "machine" for one in labels),
        result=result_of(len(labels), asked) if done else None,
        finished=timezone.now() if done else None,
        message="" if done else "The disk is full. Free some space",
    )
    if done and files:
        rows = np.array([one.seq for one in labels], dtype=np.int64)
        given = np.array([one.class_index for one in labels], dtype=np.int64)
        part = np.choose(rows % 10, [-1, 1, 2, 3, 3, 0, 0, 0, 0, -1]).astype(np.int16)
        folder = curations.folder(curation)
        folder.mkdir(parents=True)
        for name, array in (("rows", rows), ("labels", given), ("part", part)):
            np.save(folder / f"{name}.npy", array)
    return curation


def result_of(n: int, asked: CurationSettings) -> dict[str, Any]:
    """Return a result as the engine writes it."""
    held_out, repeats = n // 5, len(asked.seeds)
    kept, labelled = 2 * n // 5, n - n // 5
    sizes = [kept // 4, kept // 2, kept]
    return {
        "ok": True,
        "settings": {"share": asked.share},
        "n": n,
        "labelled": labelled,
        "held_out": held_out,
        "sizes": sizes,
        "images": {"full": labelled, "search": kept, "random": kept},
        "runs": [_run(seed, sizes, labelled, asked) for seed in range(repeats)],
        **_judgement(repeats, compare=asked.compare),
    }


def _run(seed: int, sizes: list[int], labelled: int, asked: CurationSettings) -> dict[str, Any]:
    took = {"train_seconds": 110.0, "score_seconds": 20.0, "samples_shown": 102_400}
    stages: list[dict[str, Any]] = [{"number": 1, "size": sizes[0], "kind": "random"}]
    for number in (2, 3):
        learnt = {"learnt_from": sizes[number - 2], "accuracy": 0.80 + number / 50}
        stages.append(
            {
                "number": number,
                "size": sizes[number - 1],
                "kind": "acquired",
                "acquirer": asked.acquirer,
                "accuracy_left": 0.85,
                **learnt,
                **took,
            }
        )
    models = {
        name: {**took, "accuracy": values[seed], "samples_shown": 180_224}
        for name, values in ACCURACY.items()
        if asked.compare
    }
    return {"seed": seed, "stages": stages, "models": models}


def _judgement(repeats: int, *, compare: bool) -> dict[str, Any]:
    from mcal_engine.search import spread  # noqa: PLC0415 - NumPy and SciPy

    if not compare:
        return {"accuracy": {}, "differences": {}}
    first = {name: values[:repeats] for name, values in ACCURACY.items()}
    return {
        "accuracy": {name: spread(values) for name, values in first.items()},
        "differences": {
            f"search - {other}": spread(
                [a - b for a, b in zip(first["search"], first[other], strict=True)]
            )
            for other in ("random", "full")
        },
    }
