"""The rows of the browse benchmark, written by SQL: 12 % people's labels, 80 % the machine's.

Django must be set up before this is imported.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.db import connection

from labelapp import models as m
from tests.app.conftest import Cast, make_cast, make_project

PURPOSES = ("test", "seed", "train", "ahead", "audit", "residual")
NOW = "'2026-01-01 00:00:00+00:00'"
PAD = "substr('0000000' || CAST(i AS TEXT), length(CAST(i AS TEXT)) + 1)"
MIXED = "(i * 7919 % 1000)"  # 0..999, well mixed


@dataclass(frozen=True)
class World:
    """What the rows belong to."""

    n: int
    cast: Cast
    project: m.Project
    run: m.Run
    model: m.ModelVersion
    batches: list[int]  # one per purpose

    @property
    def series(self) -> str:
        """SQL: the numbers of all images, as s(i)."""
        return (
            "WITH RECURSIVE s(i) AS (SELECT CAST(0 AS BIGINT)"
            f" UNION ALL SELECT i + 1 FROM s WHERE i < {self.n - 1})"
        )

    @property
    def batch(self) -> str:
        """SQL: the arms of a CASE from i % 6 to a batch."""
        return " ".join(f"WHEN {k} THEN {pk}" for k, pk in enumerate(self.batches))


def fill(n: int) -> str:
    """Write all rows and the newest model's arrays; return the project's public id."""
    world = make_world(n)
    with connection.cursor() as cursor:
        began = time.perf_counter()
        base = write_images(world, cursor)
        mark(f"{n:,} images", began)
        began = time.perf_counter()
        write_labels(world, cursor, base)
        mark("labels", began)
        write_answers(world, cursor, base)
        cursor.execute(
            "INSERT INTO labelapp_testmark (run_id, image_id, seq)"
            f" {world.series} SELECT {world.run.pk}, {base} + i, i FROM s WHERE i % 1000 = 0"
        )
        cursor.execute("ANALYZE")
    mark("the rest", began)
    write_scores(world)
    return world.project.public_id


def make_world(n: int) -> World:
    """Make the project with ten classes, its run, a model, and a batch per purpose."""
    cast = make_cast()
    project = make_project(cast)
    for index in range(3, 10):
        m.LabelClass.objects.create(project=project, index=index, name=f"class {index}")
    m.Project.objects.filter(pk=project.pk).update(status="running")
    m.ProjectCounter.objects.filter(project=project).update(images=n)
    run = m.Run.objects.create(
        project=project, n=n, config={}, state={}, waiting_for="x", request_kind="label"
    )
    model = m.ModelVersion.objects.create(
        run=run, iteration=2, arch="a", folder=f"models/{project.public_id}/m", sha256="a" * 64
    )
    batches = [
        m.LabelBatch.objects.create(
            run=run, project=project, request_id=p, iteration=i, purpose=p, size=1, remaining=0
        ).pk
        for i, p in enumerate(PURPOSES)
    ]
    return World(n, cast, project, run, model, batches)


def write_images(world: World, cursor: Any) -> int:
    """Write the images; return the id of image 0."""
    cursor.execute(
        "INSERT INTO labelapp_image (project_id, seq, sha256, name, width, height, size,"
        " original_key, display_key, created)"
        f" {world.series} SELECT {world.project.pk}, i, 'x' || {PAD}, 'dir_' || CAST(i % 10 AS TEXT)"
        f" || '/' || {PAD} || '.png', 32, 32, 900, 'o', 'd', {NOW} FROM s"
    )
    cursor.execute("SELECT min(id) FROM labelapp_image")
    return int(cursor.fetchone()[0])


def write_labels(world: World, cursor: Any, base: int) -> None:
    """Write the labels, and exclude three images of a thousand."""
    purpose = " ".join(f"WHEN {k} THEN '{p}'" for k, p in enumerate(PURPOSES))
    cursor.execute(
        "INSERT INTO labelapp_label (image_id, project_id, seq, class_index, source,"
        " confidence, votes, agreement, method, purpose, batch_id, model_id, user_id, created)"
        f" {world.series} SELECT {base} + i, {world.project.pk}, i, i * 31 % 10,"
        f" CASE WHEN {MIXED} < 120 THEN 'human' ELSE 'machine' END,"
        f" CASE WHEN {MIXED} < 120 THEN NULL ELSE (i * 104729 % 1000003) / 1000003.0 END,"
        f" CASE WHEN {MIXED} < 20 THEN 2 ELSE 1 END,"
        f" CASE WHEN {MIXED} < 5 THEN 0.5 WHEN {MIXED} < 20 THEN 1.0 ELSE NULL END, '',"
        f" CASE WHEN {MIXED} >= 120 THEN 'machine' ELSE CASE i % 6 {purpose} END END,"
        f" CASE WHEN {MIXED} < 120 THEN CASE i % 6 {world.batch} END END,"
        f" CASE WHEN {MIXED} >= 120 THEN {world.model.pk} END,"
        f" CASE WHEN {MIXED} < 120 THEN {world.cast.annotator.pk} END, {NOW}"
        f" FROM s WHERE {MIXED} < 920"
    )
    cursor.execute(
        "INSERT INTO labelapp_exclusion (image_id, project_id, seq, reason, created)"
        f" {world.series} SELECT {base} + i, {world.project.pk}, i, '', {NOW}"
        f" FROM s WHERE {MIXED} BETWEEN 990 AND 992"
    )


def write_answers(world: World, cursor: Any, base: int) -> None:
    """Write an answer for each label of a person; three of a thousand are another person's."""
    task = m.Task.objects.create(
        batch_id=world.batches[0], project=world.project, image_id=base, rank=0, state="done"
    )
    first = m.LabelClass.objects.filter(project=world.project).order_by("pk")[0]
    postgres = connection.vendor == "postgresql"
    uid = (
        f"CAST('00000000-0000-0000-0000-0' || {PAD} || '0000' AS uuid)"
        if postgres
        else f"'00000000000000000000' || '0' || {PAD} || '0000'"
    )
    cursor.execute(
        "INSERT INTO labelapp_answer (id, task_id, batch_id, project_id, image_id, user_id,"
        " kind, label_class_id, extra, active_ms, how, guideline_version, created)"
        f" {world.series} SELECT {uid}, {task.pk}, CASE i % 6 {world.batch} END,"
        f" {world.project.pk}, {base} + i,"
        f" CASE WHEN {MIXED} < 3 THEN {world.cast.second_annotator.pk}"
        f" ELSE {world.cast.annotator.pk} END, 'class', {first.pk},"
        f" {'false' if postgres else 0}, 900, 'key', 0, {NOW} FROM s WHERE {MIXED} < 120"
    )


def write_scores(world: World) -> None:
    """Write what the newest model said of every image, as a training leaves it."""
    folder = Path(settings.MEDIA_ROOT) / world.model.folder
    folder.mkdir(parents=True)
    chance, n = np.random.default_rng(0), world.n
    np.save(folder / "pred.npy", chance.integers(0, 10, n).astype(np.uint16))
    np.save(folder / "uncertainty.npy", chance.random(n, dtype=np.float32))
    np.save(folder / "least.npy", chance.random(n, dtype=np.float32))
    np.save(folder.parent / "before_pred.npy", np.full(n, 65535, dtype=np.uint16))
    np.save(folder.parent / "before_margin.npy", np.zeros(n, dtype=np.float32))


def mark(what: str, began: float) -> None:
    """Say how long a part of the filling took."""
    sys.stdout.write(f"{what}: {time.perf_counter() - began:.0f} s\n")
    sys.stdout.flush()
