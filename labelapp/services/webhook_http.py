"""One HTTP POST to an address that somebody typed in: checked, bounded, and no further.

The name is resolved once, beside this thread, for a resolver knows no deadline; every address that it has must be public (or allowed by
MCAL_WEBHOOK_ALLOW), and the connection goes to the address that was checked. Redirects are not
followed, proxies of the environment not used, a few kilobytes of the answer are read, and all of
it ends after `seconds`, however slowly the other side speaks.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

MOST_ANSWER = 4_096  # bytes
MOST_LOOKUPS = 32  # names that are being resolved at a time, those that nobody waits for included
PORTS = {"http": 80, "https": 443}
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
_COMPATIBLE = ipaddress.ip_network("::/96")
_lookups = threading.BoundedSemaphore(MOST_LOOKUPS)


class SendError(Exception):
    """The message did not arrive. `code` is a word of selectors.notice_words; `detail` its fact."""

    def __init__(self, code: str, detail: str = "", *, hopeless: bool = False) -> None:
        super().__init__(f"{code}|{detail}"[:300])
        self.code = code
        self.hopeless = hopeless  # trying again cannot help


@dataclass(frozen=True)
class Reply:
    """What came back: the status, and the beginning of the text."""

    status: int
    text: str


def post(url: str, body: bytes, headers: Mapping[str, str], *, seconds: float = 10.0) -> Reply:
    """Send the body and return the reply, whatever its status. Raises SendError."""
    end = time.monotonic() + seconds
    parts, port = parse(url)
    try:
        addresses = _checked(str(parts.hostname), port, end)
        with _open(addresses, parts, port, end) as link:
            link.settimeout(_left(end))
            link.sendall(_request(parts, port, body, headers))
            return _reply(_read(link, end))
    except TimeoutError as error:
        raise SendError("timeout") from error
    except ssl.SSLError as error:
        raise SendError("tls", _words(error)) from error
    except OSError as error:
        raise SendError("connect", _words(error)) from error


def parse(url: str) -> tuple[SplitResult, int]:
    """Take an address apart; SendError unless it is http(s) with a plain host and no sign-in."""
    try:
        parts = urlsplit(url)
        port = parts.port or PORTS.get(parts.scheme, 0)
        host = (parts.hostname or "").encode("idna").decode()
    except (ValueError, UnicodeError) as error:
        raise SendError("url", hopeless=True) from error
    strange = any(sign.isspace() or ord(sign) < 33 for sign in url)
    if parts.scheme not in PORTS or not host or parts.username is not None or strange:
        raise SendError("url", hopeless=True)
    return parts, port


def forbidden(host: str, address: Address) -> bool:
    """Tell whether nobody may send there: not public, and not allowed by MCAL_WEBHOOK_ALLOW."""
    if host.lower().rstrip(".") in _allowed()[0]:
        return False
    return not all(_public(one) or _listed(one) for one in _meanings(address))


def surely_forbidden(host: str) -> bool:
    """Tell whether this is an address in figures, or localhost, that nobody may send to.

    Looks nothing up: names are checked when something is sent.
    """
    if host.lower().rstrip(".") in {"localhost", "localhost.localdomain"}:
        return forbidden(host, ipaddress.IPv4Address("127.0.0.1"))
    try:
        return forbidden(host, ipaddress.ip_address(host.partition("%")[0]))
    except ValueError:
        return False


def _meanings(address: Address) -> list[Address]:
    """Return the address and those of IPv4 that may be inside it."""
    found: list[Address] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        low = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if address.ipv4_mapped is not None:
            found = [address.ipv4_mapped]
        elif address in _NAT64 or (address in _COMPATIBLE and int(address) > 1):
            found.append(low)
        elif address.sixtofour is not None:
            found.append(address.sixtofour)
        elif address.teredo is not None:
            found += address.teredo
    return found


def _public(address: Address) -> bool:
    local = address.is_multicast or address.is_unspecified or address in _LOCAL_NAT64
    return address.is_global and not address.is_reserved and not local


def _listed(address: Address) -> bool:
    return any(address in network for network in _allowed()[1])


def _allowed() -> tuple[frozenset[str], tuple[Network, ...]]:
    return _read_allowed(tuple(settings.WEBHOOK_ALLOW))


@lru_cache(maxsize=8)
def _read_allowed(entries: tuple[str, ...]) -> tuple[frozenset[str], tuple[Network, ...]]:
    """Sort what is allowed into names and networks."""
    names, networks = set(), []
    for entry in entries:
        try:
            networks.append(ipaddress.ip_network(entry.strip(), strict=False))
        except ValueError:
            names.add(entry.strip().lower().rstrip("."))
    return frozenset(names), tuple(networks)


def _checked(host: str, port: int, end: float) -> list[str]:
    """Resolve the name; SendError if any address that it has is forbidden.

    Raises TimeoutError where the answer takes too long.
    """
    try:
        addresses = _resolved(host, port, end)
    except TimeoutError:
        raise
    except (OSError, UnicodeError) as error:
        raise SendError("name", host) from error
    for text in addresses:
        if forbidden(host, ipaddress.ip_address(text.partition("%")[0])):
            raise SendError("address", text, hopeless=True)
    return addresses


def _resolved(host: str, port: int, end: float) -> list[str]:
    """Return the addresses of the name, or raise TimeoutError at `end`.

    The system's resolver cannot be interrupted: it goes on in a thread that nobody waits for.
    """
    slots = _lookups
    if not slots.acquire(timeout=_left(end)):
        raise TimeoutError
    answer: Future[list[str]] = Future()

    def look() -> None:
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.set_result(list(dict.fromkeys(str(row[4][0]) for row in rows)))
        except Exception as error:  # noqa: BLE001 - raised again by whoever waits
            answer.set_exception(error)
        finally:
            slots.release()

    try:
        threading.Thread(target=look, name=f"look up {host}"[:60], daemon=True).start()
    except RuntimeError as error:  # no more threads
        slots.release()
        raise TimeoutError from error
    return answer.result(timeout=_left(end))


def _left(end: float) -> float:
    """Return the seconds that remain; TimeoutError when none do."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _connect(addresses: list[str], port: int, end: float) -> socket.socket:
    """Connect to the first address that takes it."""
    problem: OSError = TimeoutError()
    for address in addresses[:4]:
        try:
            return socket.create_connection((address, port), timeout=_left(end))
        except OSError as error:
            problem = error
    raise problem


@contextlib.contextmanager
def _open(
    addresses: list[str], parts: SplitResult, port: int, end: float
) -> Iterator[socket.socket]:
    """Connect; speak TLS where the address says https: the certificate must be the name's."""
    with _connect(addresses, port, end) as plain:
        if parts.scheme == "http":
            yield plain
            return
        plain.settimeout(_left(end))
        with _tls().wrap_socket(plain, server_hostname=str(parts.hostname)) as safe:
            yield safe


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _request(parts: SplitResult, port: int, body: bytes, headers: Mapping[str, str]) -> bytes:
    host = str(parts.hostname).encode("idna").decode()
    host = f"[{host}]" if ":" in host else host
    shown = host if port == PORTS[parts.scheme] else f"{host}:{port}"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    lines = {
        "Host": shown,
        "User-Agent": "MCAL-Webhook/1",
        "Accept": "*/*",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    ascii_path = "".join(
        c if c.isascii() else "".join(f"%{b:02X}" for b in c.encode()) for c in path
    )
    return f"POST {ascii_path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


def _read(link: socket.socket, end: float) -> bytes:
    """Read a little of the answer: until it ends, is long enough, or time is up after the head."""
    data = b""
    while len(data) < MOST_ANSWER:
        try:
            link.settimeout(_left(end))
            part = link.recv(MOST_ANSWER - len(data))
        except (TimeoutError, ConnectionError):
            if b"\r\n\r\n" in data:
                break
            raise
        if not part:
            break
        data += part
        if _whole(data):
            break
    return data


def _whole(data: bytes) -> bool:
    """Tell whether the announced length is there, so that nobody waits for the connection's end."""
    head, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return False
    for line in head.lower().split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip() == b"content-length" and value.strip().isdigit():
            return len(rest) >= int(value)
    return head[9:12] == b"204"


def _reply(data: bytes) -> Reply:
    head, _, rest = data.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise SendError("broken")
    return Reply(int(words[1]), rest.decode("utf-8", "replace").replace("\x00", ""))


def _words(error: OSError) -> str:
    return str(error.strerror or error)[:200]
