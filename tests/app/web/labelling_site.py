"""A real server with a small project, for tests of the labelling page in a real browser.

Everything runs in processes of its own: Playwright's sync API and the ORM do not go together.
`python -m tests.app.web.labelling_site make FOLDER` fills the folder and prints what is in it.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from sqlite3 import connect

ROOT = Path(__file__).resolve().parents[3]
CLASSES = ["circle", "square", "star"]


@dataclass(frozen=True)
class Site:
    """Where the server is, and whose session opens it."""

    address: str
    project: str
    sessions: dict[str, str]  # by name of the person
    folder: Path

    def ask(self, sql: str, *values: object) -> list[tuple]:
        """Run one statement in the site's database."""
        with closing(connect(self.folder / "mcal.sqlite3", timeout=20)) as database, database:
            return database.execute(sql, values).fetchall()


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "labelapp.settings",
        "MCAL_DATA_DIR": str(folder),
        "PYTHONPATH": str(ROOT),
    }


@contextmanager
def running_site(folder: Path, *options: str):
    """Make the project, start the server, and stop it at the end."""
    (folder / "static").mkdir(parents=True)
    made = subprocess.run(
        [sys.executable, "-m", "tests.app.web.labelling_site", "make", *options],
        cwd=ROOT,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    facts = json.loads(made.stdout.splitlines()[-1])
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "labelapp.asgi:application", "--port", str(port)]
    server = subprocess.Popen([*command, "--log-level", "error"], cwd=ROOT, env=environment(folder))
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(f"{address}/accounts/login/")
        yield Site(address, facts["project"], facts["sessions"], folder)
    finally:
        server.terminate()
        server.wait(timeout=20)


def free_port() -> int:
    with closing(socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(address)


def make(images: int, classes: list[str]) -> dict[str, object]:
    """Fill the database of this process' settings."""
    import django  # noqa: PLC0415 - the settings come from the environment

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    from labelapp import models  # noqa: PLC0415
    from tests.app.conftest import add_images, open_batch  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    project = models.Project.objects.create(name="Shapes")
    models.ProjectCounter.objects.create(project=project)
    keys = "1234567890abcdefghijklmnopqrstuvwxyz"
    for index, name in enumerate(classes):
        models.LabelClass.objects.create(
            project=project,
            index=index,
            name=name,
            key=keys[index : index + 1],
            colour=f"#{(index * 4_194_303 + 7_500_000) % 16_777_216:06x}",
        )
    rows = add_images(project, images)
    write_pictures(rows)
    open_batch(project, rows, "train")
    return {"project": project.public_id, "sessions": make_people(project, Client)}


def make_people(project, client_class) -> dict[str, str]:
    from labelapp.models import Membership, User  # noqa: PLC0415

    sessions = {}
    for name in ("ann", "ben"):
        user = User.objects.create_user(
            f"{name}@example.org", "correct horse battery", display_name=name.title()
        )
        Membership.objects.create(project=project, user=user, role="annotator")
        client = client_class()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        sessions[name] = client.cookies["sessionid"].value
    return sessions


def write_pictures(rows) -> None:
    """Give each image row a small picture of its own."""
    from django.conf import settings  # noqa: PLC0415
    from PIL import Image, ImageDraw  # noqa: PLC0415

    for row in rows:
        picture = Image.new("RGB", (28, 28), (row.seq * 37 % 256, 90, 255 - row.seq * 11 % 256))
        ImageDraw.Draw(picture).ellipse((4, 4, 4 + row.seq % 20, 24), fill="white")
        content = io.BytesIO()
        picture.save(content, "PNG")
        row.display_key = f"shapes/{row.seq}.png"
        path = Path(settings.MEDIA_ROOT) / row.display_key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.getvalue())
        row.save(update_fields=["display_key"])


if __name__ == "__main__":
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    names = [f"class {n}" for n in range(int(sys.argv[3]))] if len(sys.argv) > 3 else CLASSES
    print(json.dumps(make(count, names)))  # noqa: T201 - read by running_site
