"""Databases of any size for the benchmarks, made by bulk SQL, and what became of them.

    MCAL_DATABASE_URL=... MCAL_DATA_DIR=... python -m benchmarks.database --images 1000000

Half of the images are answered already, today, by the people who will go on: a queue that counts
or walks over what is done shows it here. The other half is one open batch in shuffled order.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from typing import Any

RANK_STEP = 16  # room behind each image for its later slots (services.slots.SPACING)
CLASSES = 10

_NUMBERS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {last})",
    "postgresql": "WITH n(i) AS (SELECT generate_series(0, {last}))",
}
_SHA = {"sqlite": "printf('%064d', i)", "postgresql": "lpad(i::text, 64, '0')"}
_UUID = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "gen_random_uuid()"}


def main() -> int:
    """Make the database that the environment names; print who works in it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, required=True)
    parser.add_argument("--people", type=int, default=16)
    parser.add_argument("--overlap", type=int, default=1)
    options = parser.parse_args()
    start = time.monotonic()
    cast = make(options.images, options.people, options.overlap)
    cast["seconds"] = round(time.monotonic() - start, 1)
    print(json.dumps(cast))
    return 0


def make(images: int, people: int, overlap: int) -> dict[str, Any]:
    """Migrate, fill, and return {project, sessions, users, open}."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labelapp.settings")
    import django  # noqa: PLC0415 - after the environment is set

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.db import connection, transaction  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    with transaction.atomic():
        project, users, sessions = _people(people, overlap)
        batch = _batch(project)
        _fill(connection, project, batch, images, users)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":  # what autovacuum does a minute later
            cursor.execute("ANALYZE")
        else:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return {
        "project": project.public_id,
        "users": users,
        "sessions": sessions,
        "open": images - images // 2,
    }


def _people(count: int, overlap: int) -> tuple[Any, list[int], list[str]]:
    from django.test import Client  # noqa: PLC0415

    from labelapp.models import LabelClass, Membership, Project, ProjectCounter, User  # noqa: PLC0415

    project = Project.objects.create(name="Bench", status=Project.Status.RUNNING, overlap=overlap)
    ProjectCounter.objects.create(project=project)
    for index in range(CLASSES):
        LabelClass.objects.create(project=project, index=index, name=f"class {index}")
    users, sessions = [], []
    for number in range(count):
        user = User.objects.create(email=f"p{number}@example.org")
        Membership.objects.create(project=project, user=user, role="annotator")
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        users.append(user.pk)
        sessions.append(client.cookies["sessionid"].value)
    return project, users, sessions


def _batch(project: Any) -> int:
    from labelapp.models import LabelBatch, Run  # noqa: PLC0415

    run = Run.objects.create(
        project=project, n=1, config={}, state={}, waiting_for="x", request_kind="label"
    )
    batch = LabelBatch.objects.create(
        run=run,
        project=project,
        request_id="bench",
        iteration=0,
        purpose="train",
        size=1,
        remaining=1,
    )
    return int(batch.pk)


def _fill(connection: Any, row: Any, batch: int, images: int, users: list[int]) -> None:
    """Write images, tasks, and half of the answers with their labels and charges."""
    done, vendor, project, wanted = images // 2, connection.vendor, row.pk, row.overlap
    everything = _NUMBERS[vendor].format(last=images - 1)
    answered = _NUMBERS[vendor].format(last=max(0, done - 1))
    now = "CURRENT_TIMESTAMP"
    user = f"{users[0]} + i % {len(users)}"
    flag = "0" if vendor == "sqlite" else "false"
    soft = "1" if vendor == "sqlite" else "true"
    statements = [
        (
            "INSERT INTO labelapp_image (id, project_id, seq, sha256, name, width, height, size,"
            f" original_key, display_key, created) {everything} SELECT i + 1, {project}, i,"
            f" {_SHA[vendor]}, 'img_' || i || '.png', 28, 28, 500, 'none/' || i || '.png',"
            f" 'none/' || i || '.webp', {now} FROM n"
        ),
        # 7919 is prime: (i * 7919) % images is every image once, in an order that jumps about
        (
            "INSERT INTO labelapp_task (batch_id, project_id, image_id, slot, wanted, rank, state,"
            f" lease_soft)"
            f" {everything} SELECT {batch}, {project}, (CAST(i AS BIGINT) * 7919) % {images} + 1, 0,"
            f" CASE WHEN i < {done} THEN 1 ELSE {wanted} END,"
            f" CAST(i AS BIGINT) * {RANK_STEP}, CASE WHEN i < {done} THEN 'done' ELSE 'open' END, {soft} FROM n"
        ),
    ]
    if done:
        statements += [
            (
                "INSERT INTO labelapp_answer (id, task_id, batch_id, project_id, image_id, user_id,"
                " kind, label_class_id, extra, active_ms, how, guideline_version, created)"
                f" SELECT {_UUID[vendor]}, t.id, {batch}, {project}, t.image_id,"
                f" {users[0]} + t.id % {len(users)}, 'class', (SELECT min(id) FROM"
                f" labelapp_labelclass), {flag}, 299, 'key', 0, {now} FROM labelapp_task t"
                " WHERE t.state = 'done'"
            ),
            (
                "INSERT INTO labelapp_label (image_id, project_id, seq, class_index, source, votes,"
                " method, answer_id, batch_id, purpose, user_id, created)"
                f" SELECT image_id, {project}, image_id - 1, 0, 'human', 1, '', id, {batch}, 'train',"
                " user_id, created FROM labelapp_answer"
            ),
            (
                "INSERT INTO labelapp_ledgerentry (project_id, key, purpose, quantity, unit_price,"
                f" amount, user_id, created) {answered} SELECT {project}, 'answer:old' || i, 'train',"
                f" 1, 0.04, 0.04, {user}, {now} FROM n"
            ),
        ]
    statements += [
        f"UPDATE labelapp_labelbatch SET size = {images}, remaining = {(images - done) * wanted}",
        (
            f"UPDATE labelapp_projectcounter SET images = {images}, train = {done},"
            f" answers = {done}, label_spend = {0.04 * done:.2f}"
        ),
        f"UPDATE labelapp_run SET n = {images}",
    ]
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


if __name__ == "__main__":
    sys.exit(main())
