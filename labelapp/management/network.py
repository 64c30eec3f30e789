"""Ports and addresses: is the port free, and how do other machines reach this one?"""

from __future__ import annotations

import socket
from contextlib import closing
from dataclasses import dataclass

import psutil

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Reach:
    """How browsers reach the server: the addresses to print, hosts and origins to allow."""

    here: str
    team: list[str]
    allowed_hosts: list[str]
    origins: list[str]


def port_is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen on this port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        # As uvicorn does: a port in TIME_WAIT is free, one that somebody listens on is not.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port_near(host: str, port: int) -> int | None:
    """Return the next free port above this one, None when the next 50 are taken."""
    return next((p for p in range(port + 1, port + 51) if port_is_free(host, p)), None)


def lan_addresses() -> list[str]:
    """Return the IPv4 addresses of this machine that other machines may reach."""
    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    return sorted(
        entry.address
        for name, entries in psutil.net_if_addrs().items()
        if name in up
        for entry in entries
        if entry.family == socket.AF_INET and not entry.address.startswith(("127.", "169.254."))
    )


def reach(host: str, port: int) -> Reach:
    """Work out addresses, allowed hosts and CSRF origins for a server on host and port."""
    if host in EVERYWHERE:
        names = [*lan_addresses(), socket.gethostname(), f"{socket.gethostname()}.local"]
    elif host in {"127.0.0.1", "localhost", "::1"}:
        names = []
    else:
        names = [host]
    hosts = list(dict.fromkeys([*LOOPBACK, *names]))
    here = host if names and host not in EVERYWHERE else "localhost"
    return Reach(
        here=f"http://{here}:{port}",
        team=[f"http://{name}:{port}" for name in names],
        allowed_hosts=hosts,
        origins=[f"http://{name}:{port}" for name in hosts],
    )
