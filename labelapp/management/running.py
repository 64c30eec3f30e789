"""Run the product: checks, migrations, first start, then web server and worker until Ctrl-C."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import DatabaseError

from labelapp.env import BASE_DIR, child_environment
from labelapp.management import network
from labelapp.management.instance import AlreadyRunningError, InstanceLock
from labelapp.management.supervisor import Child, Supervisor
from labelapp.services import setup

Say = Callable[[str], None]


@dataclass(frozen=True)
class Listen:
    """Where the web server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address for processes on this machine."""
        host = "127.0.0.1" if self.host in network.EVERYWHERE else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def run_product(
    *,
    listen: Listen,
    say: Say,
    prepare: Callable[[], Sequence[Child]],
    with_worker: bool = True,
) -> int:
    """Check, migrate, `prepare` (first start; it may add children), run; return the exit code.

    Raises CommandError in plain words when the product cannot start.
    """
    try:
        with InstanceLock(Path(settings.DATA_DIR), f"http://localhost:{listen.port}"):
            _check_port(listen)
            say(f"Data folder: {settings.DATA_DIR}")
            _migrate(say)
            extra = prepare()
            _say_team_addresses(listen, say)
            worker = [_worker(listen)] if with_worker else []
            children = [_web(listen, with_worker), *worker, *extra]
            return _Product(children, say, listen).run()
    except AlreadyRunningError as holder:
        raise CommandError(
            f"The product already runs on {settings.DATA_DIR} ({holder}). Stop it first, or set "
            "MCAL_DATA_DIR to another folder."
        ) from None
    except PermissionError as error:
        raise CommandError(
            f"cannot write {error.filename}: make the data folder writable, or set MCAL_DATA_DIR "
            "to a folder that is."
        ) from None


def command(name: str, *options: str) -> list[str]:
    """Return the command line of one of our management commands."""
    return [sys.executable, str(BASE_DIR / "manage.py"), name, *options]


def environment(listen: Listen) -> dict[str, str]:
    """Return the children's environment: this machine's names are allowed hosts and origins."""
    reach = network.reach(listen.host, listen.port)
    hosts = dict.fromkeys([*settings.ALLOWED_HOSTS, *reach.allowed_hosts])
    origins = dict.fromkeys([*settings.CSRF_TRUSTED_ORIGINS, *reach.origins])
    return child_environment(
        DJANGO_SETTINGS_MODULE="labelapp.settings",
        MCAL_DATA_DIR=str(settings.DATA_DIR),
        MCAL_HOST=listen.host,
        MCAL_PORT=str(listen.port),
        MCAL_ALLOWED_HOSTS=",".join(hosts),
        MCAL_CSRF_TRUSTED_ORIGINS=",".join(origins),
        PYTHONPATH=str(BASE_DIR),
        PYTHONUNBUFFERED="1",
    )


def say_first_start(found: setup.FirstStart, say: Say) -> None:
    """Print the owner's password once, or how to get a new one."""
    if found.password is None:
        say(
            f"Owner: {found.owner.email} (password forgotten? "
            f"`manage.py reset_password {found.owner.email}` makes a one-time link)."
        )
        return
    say("")
    say("First start. The owner of this installation:")
    say(f"    e-mail    {found.owner.email}")
    say(f"    password  {found.password}")
    say("The password is shown here, once; only its hash is stored.")
    if found.project is not None:
        say(f"The demo project '{found.project.name}' is being filled with its images.")
    say("")


class _Product(Supervisor):
    """A supervisor that says when the web server answers."""

    def __init__(self, children: Sequence[Child], say: Say, listen: Listen) -> None:
        super().__init__(children, say)
        self._url = listen.url
        self._shown = f"http://localhost:{listen.port}" if "127.0.0.1" in listen.url else listen.url
        self._ready = False

    def tick(self) -> None:
        """Say once that the address works."""
        if not self._ready and _answers(f"{self._url}/healthz"):
            self._ready = True
            self.say(f"Ready: {self._shown} (Ctrl-C stops it)")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own server
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        return True
    except (urllib.error.URLError, OSError):
        return False


def _check_port(listen: Listen) -> None:
    if network.port_is_free(listen.host, listen.port):
        return
    other = network.free_port_near(listen.host, listen.port)
    hint = f" For example: make run PORT={other}" if other else ""
    raise CommandError(
        f"cannot listen on {listen.host} port {listen.port}: another program has it, or this "
        f"machine has no such address. Choose another port with PORT=... (or --port).{hint}"
    )


def _migrate(say: Say) -> None:
    say("Bringing the database up to date ...")
    try:
        call_command("migrate", verbosity=0, interactive=False)
    except DatabaseError as error:
        raise CommandError(
            f"the database cannot be opened or brought up to date: {error}"
        ) from None


def _say_team_addresses(listen: Listen, say: Say) -> None:
    team = network.reach(listen.host, listen.port).team
    if not team:
        return
    say("For your team on the local network: " + "  ".join(team[:3]))
    say("This is plain http: passwords can be read by whoever listens on this network.")


def _web(listen: Listen, worker_watched: bool) -> Child:
    """Return the web server; its pages say whether a worker that is missing comes back by itself."""
    options = ["--host", listen.host, "--port", str(listen.port), "--workers", "1"]
    quiet = ["--lifespan", "on", "--log-level", "warning", "--no-access-log"]
    program = [sys.executable, "-m", "uvicorn", "labelapp.asgi:application"]
    end = ["--timeout-graceful-shutdown", "3"]
    env = environment(listen) | {"MCAL_WORKER_WATCHED": str(worker_watched).lower()}
    return Child("web server", [*program, *options, *quiet, *end], env)


def _worker(listen: Listen) -> Child:
    options = ("--parent", str(os.getpid()))
    return Child("worker", command("worker", *options), environment(listen))
