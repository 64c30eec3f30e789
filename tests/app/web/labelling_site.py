"""A real server with a small project, for tests of the labelling page in a real browser.

Everything runs in processes of its own: Playwright's sync API and the ORM do not go together.
`python -m tests.app.web.labelling_site make FOLDER` fills the folder and prints what is in it.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import subprocess
import sys
import time
import urllib.request
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from sqlite3 import connect

from tests import tables

ROOT = Path(__file__).resolve().parents[3]
CLASSES = ["circle", "square", "star"]
WORLD = [
    *[
        "قطة",
        "كلب",
        "إوزّة",
        "🐱 cat",
        "👩‍🚀",
        "São Tomé",
        "Straße",
        "border collie",
        "golden retriever",
    ],
    *["sports car", "automobile", "cigar", "日本犬", "Ελλάς", "ПТИЦА", "c" * 120],
]
"""Names as people write them; filled up to 300."""
ALIASES = {"automobile": ["car", "سيارة"], "قطة": ["cat of the street"]}


def class_names(which: str) -> list[str]:
    """Return the names of so many classes, or of the 300 of the world."""
    if which == "world":
        return [*WORLD, *(f"kind {n}" for n in range(300 - len(WORLD)))]
    return [f"class {n}" for n in range(int(which))]


@dataclass(frozen=True)
class Site:
    """Where the server is, and whose session opens it."""

    address: str
    project: str
    sessions: dict[str, str]  # by name of the person
    folder: Path
    server: Server

    def ask(self, sql: str, *values: object) -> list[tuple]:
        """Run one statement in the site's database."""
        with closing(connect(self.folder / "mcal.sqlite3", timeout=20)) as database, database:
            return database.execute(sql, values).fetchall()


def environment(folder: Path) -> dict[str, str]:
    """Return an environment of its own database (SQLite in the folder), whatever the tests use."""
    mine = {name: value for name, value in os.environ.items() if name != "MCAL_DATABASE_URL"}
    return {
        **mine,
        "DJANGO_SETTINGS_MODULE": "labelapp.settings",
        "MCAL_DATA_DIR": str(folder),
        "PYTHONPATH": str(ROOT),
    }


@contextmanager
def running_site(folder: Path, *options: str):
    """Make the project, start the server, and stop it at the end."""
    folder.mkdir(parents=True)
    made = subprocess.run(
        [sys.executable, "-m", "tests.app.web.labelling_site", "make", *options],
        cwd=ROOT,
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    facts = json.loads(made.stdout.splitlines()[-1])
    server = Server(folder, free_port())
    server.start()
    try:
        yield Site(server.address, facts["project"], facts["sessions"], folder, server)
    finally:
        server.stop()


class Server:
    """One web process; it can be killed and started again on the same port."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.address = f"http://127.0.0.1:{port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "uvicorn", "labelapp.asgi:application"]
        self.process = subprocess.Popen(
            [*command, "--port", str(self.port), "--log-level", "error"],
            cwd=ROOT,
            env=environment(self.folder),
        )
        wait_for(f"{self.address}/accounts/login/")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=20)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)


def free_port() -> int:
    """Return a port that nobody has, below those that outgoing connections get by themselves."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with closing(socket()) as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_for(address: str) -> None:
    deadline = time.monotonic() + 180  # the machine may be busy with something else
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(address)


def make(images: int, classes: list[str], side: int = 28) -> dict[str, object]:
    """Fill the database of this process' settings; `side` is of the pictures, in pixels."""
    import django  # noqa: PLC0415 - the settings come from the environment

    django.setup()
    from django.core.management import call_command  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415

    from labelapp import models  # noqa: PLC0415
    from tests.app.conftest import add_images, open_batch  # noqa: PLC0415

    migrated(call_command)
    project = models.Project.objects.create(name="Shapes")
    models.ProjectCounter.objects.create(project=project)
    keys = "1234567890abcdefghijklmnopqrstuvwxyz"
    for index, name in enumerate(classes):
        models.LabelClass.objects.create(
            project=project,
            index=index,
            name=name,
            aliases=ALIASES.get(name, []),
            key=keys[index : index + 1],
            colour=f"#{(index * 4_194_303 + 7_500_000) % 16_777_216:06x}",
        )
    rows = add_images(project, images)
    if side > 28:
        write_photographs(rows, side)
    else:
        write_pictures(rows)
    open_batch(project, rows, "train")
    return {"project": project.public_id, "sessions": make_people(project, Client)}


def migrated(call_command) -> None:
    """Make the tables: copied from what another process of the same migrations made, if any."""
    from django.conf import settings  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415

    with tables.one_at_a_time():
        if not tables.take(Path(settings.DATABASES["default"]["NAME"])):
            call_command("migrate", verbosity=0)
            tables.keep(connection)


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


def write_photographs(rows, side: int) -> None:
    """Give the image rows forty large pictures in turn: every address is another one's."""
    from django.conf import settings  # noqa: PLC0415
    from PIL import Image, ImageFilter  # noqa: PLC0415

    from labelapp.models import Image as Row  # noqa: PLC0415

    folder = Path(settings.MEDIA_ROOT) / "photographs"
    folder.mkdir(parents=True, exist_ok=True)
    size = (side, side * 3 // 4)
    for number in range(40):
        noise = Image.effect_noise(size, 90).filter(ImageFilter.GaussianBlur(2))
        tint = Image.new("RGB", size, (number * 6, 120, 255 - number * 6))
        picture = Image.blend(noise.convert("RGB"), tint, 0.4)
        picture.save(folder / f"{number}.webp", quality=80)
    for row in rows:
        row.display_key = f"photographs/{row.seq % 40}.webp"
        row.width, row.height = size
    Row.objects.bulk_update(rows, ["display_key", "width", "height"], batch_size=500)


if __name__ == "__main__":
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    names = class_names(sys.argv[3]) if len(sys.argv) > 3 else CLASSES
    pixels = int(sys.argv[4]) if len(sys.argv) > 4 else 28
    print(json.dumps(make(count, names, pixels)))  # noqa: T201 - read by running_site
