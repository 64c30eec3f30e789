"""Fills a Label Studio database. Runs inside Label Studio's own environment, imports nothing here.

    /path/to/label-studio/bin/python benchmarks/label_studio_fill.py TASKS PEOPLE

Tasks are written in bulk through its models: its import endpoint takes minutes for 100,000.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import time
from pathlib import Path

CONFIG = (
    '<View><Image name="image" value="$image"/><Choices name="choice" toName="image">'
    + "".join(f'<Choice value="class {index}"/>' for index in range(10))
    + "</Choices></View>"
)


def main() -> None:
    """Migrate, make people, a project and its tasks; print who works there as JSON."""
    tasks, people = int(sys.argv[1]), int(sys.argv[2])
    sys.path.insert(0, str(Path(importlib.util.find_spec("label_studio").origin).parent))
    os.environ["DJANGO_SETTINGS_MODULE"] = "label_studio.core.settings.label_studio"
    import django  # noqa: PLC0415

    django.setup()
    from django.conf import settings  # noqa: PLC0415
    from django.core.management import call_command  # noqa: PLC0415

    settings.ALLOWED_HOSTS = ["*"]
    call_command("migrate", verbosity=0)
    users = make_people(people)
    project = make_project(users[0], tasks)
    print(json.dumps({"project": project, "sessions": [session_of(user) for user in users]}))


def make_people(count: int) -> list:
    from organizations.models import Organization  # noqa: PLC0415
    from users.models import User  # noqa: PLC0415

    users = [
        User.objects.create(email=f"p{number}@example.org", username=f"p{number}")
        for number in range(count)
    ]
    organization = Organization.create_organization(created_by=users[0], title="Bench")
    for user in users:
        if user != users[0]:
            organization.add_user(user)
        user.active_organization = organization
        user.save(update_fields=["active_organization"])
    return users


def make_project(owner: object, count: int) -> int:
    from projects.models import Project  # noqa: PLC0415
    from tasks.models import Task  # noqa: PLC0415

    project = Project.objects.create(
        title="Bench",
        created_by=owner,
        organization=owner.active_organization,
        label_config=CONFIG,
        sampling="Sequential sampling",
    )
    for start in range(0, count, 2_000):
        Task.objects.bulk_create(
            Task(
                project=project,
                data={"image": f"http://localhost/{number}.png"},
                inner_id=number + 1,
                overlap=1,
            )
            for number in range(start, min(count, start + 2_000))
        )
    return project.pk


def session_of(user: object) -> str:
    from django.conf import settings  # noqa: PLC0415
    from django.contrib.auth import (  # noqa: PLC0415
        BACKEND_SESSION_KEY,
        HASH_SESSION_KEY,
        SESSION_KEY,
    )

    store = importlib.import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store["last_login"] = time.time()
    store["organization_pk"] = user.active_organization_id
    store.save()
    return store.session_key


if __name__ == "__main__":
    main()
