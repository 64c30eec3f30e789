"""Typed settings from the environment. The only module that reads `os.environ`."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvError

BASE_DIR = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Environment:
    """Every setting that the environment may change; documented in docs/configuration.md."""

    data_dir: Path
    debug: bool
    secret_key: str
    database_url: str
    redis_url: str
    host: str
    port: int
    allowed_hosts: list[str]
    csrf_trusted_origins: list[str]
    secure_cookies: bool
    workers: int
    worker_watched: bool
    import_root: str
    max_upload_mb: int
    max_image_pixels: int
    training_device: str
    trainer_threads: int
    weights_dir: str
    allow_weight_download: bool
    feature_cache_gb: float
    owner_email: str
    base_url: str
    mail_url: str
    mail_from: str
    webhook_allow: list[str]
    oidc_issuer: str
    oidc_client_id: str
    oidc_client_secret: str
    oidc_name: str
    oidc_domains: list[str]
    oidc_only: bool
    require_second_factor: bool


def read_environment() -> Environment:
    """Read and check the environment; raise ImproperlyConfigured naming the wrong variable."""
    env = Env()
    try:
        data_dir = Path(env.str("MCAL_DATA_DIR", str(BASE_DIR / "var"))).resolve()
        return Environment(
            data_dir=data_dir,
            debug=env.bool("MCAL_DEBUG", False),
            secret_key=env.str("MCAL_SECRET_KEY", "") or _stored_secret(data_dir),
            database_url=env.str("MCAL_DATABASE_URL", f"sqlite:///{data_dir / 'mcal.sqlite3'}"),
            redis_url=env.str("MCAL_REDIS_URL", ""),
            host=env.str("MCAL_HOST", "127.0.0.1"),
            port=env.int("MCAL_PORT", 8000),
            allowed_hosts=env.list("MCAL_ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"]),
            csrf_trusted_origins=env.list("MCAL_CSRF_TRUSTED_ORIGINS", []),
            secure_cookies=env.bool("MCAL_SECURE_COOKIES", False),
            workers=env.int("MCAL_WORKERS", 2),
            worker_watched=env.bool("MCAL_WORKER_WATCHED", False),
            import_root=env.str("MCAL_IMPORT_ROOT", ""),
            max_upload_mb=env.int("MCAL_MAX_UPLOAD_MB", 2048),
            max_image_pixels=env.int("MCAL_MAX_IMAGE_PIXELS", 100_000_000),
            training_device=env.str("MCAL_TRAINING_DEVICE", ""),
            trainer_threads=env.int("MCAL_TRAINER_THREADS", 0),
            weights_dir=env.str("MCAL_WEIGHTS_DIR", ""),
            allow_weight_download=env.bool("MCAL_ALLOW_WEIGHT_DOWNLOAD", False),
            feature_cache_gb=env.float("MCAL_FEATURE_CACHE_GB", 8.0),
            owner_email=env.str("MCAL_OWNER_EMAIL", "owner@localhost"),
            base_url=env.str("MCAL_BASE_URL", "").rstrip("/"),
            mail_url=env.str("MCAL_MAIL_URL", ""),
            mail_from=env.str("MCAL_MAIL_FROM", ""),
            webhook_allow=env.list("MCAL_WEBHOOK_ALLOW", []),
            oidc_issuer=env.str("MCAL_OIDC_ISSUER", "").rstrip("/"),
            oidc_client_id=env.str("MCAL_OIDC_CLIENT_ID", ""),
            oidc_client_secret=env.str("MCAL_OIDC_CLIENT_SECRET", ""),
            oidc_name=env.str("MCAL_OIDC_NAME", "Single sign-on"),
            oidc_domains=env.str("MCAL_OIDC_DOMAINS", "").lower().replace(",", " ").split(),
            oidc_only=env.bool("MCAL_OIDC_ONLY", False),
            require_second_factor=env.bool("MCAL_REQUIRE_SECOND_FACTOR", False),
        )
    except EnvError as error:
        raise ImproperlyConfigured(f"{error}. See docs/configuration.md.") from error


def child_environment(**changes: str) -> dict[str, str]:
    """Return this process' environment with changes, for the processes that it starts."""
    return {**os.environ, **changes}


def _stored_secret(data_dir: Path) -> str:
    """Return the secret key of this installation, made at first start and kept in data_dir."""
    path = data_dir / "secret_key"
    try:
        if path.exists():
            return path.read_text().strip()
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_secret(path)
        return path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"cannot write below {data_dir}: {error.strerror}. "
            "Make the folder writable or set MCAL_DATA_DIR."
        ) from error


def _write_secret(path: Path) -> None:
    """Make the file with all of the key in it: a kill in between must not leave an empty one.

    Of two processes that start at once, the first one's key stays.
    """
    temporary = path.with_name(f".secret_key.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as handle:
            handle.write(secrets.token_urlsafe(50))
            handle.flush()
            os.fsync(descriptor)
        _place(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _place(temporary: Path, path: Path) -> None:
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        temporary.replace(path)


def database_settings(url: str) -> dict[str, object]:
    """Return Django's DATABASES entry for a sqlite:/// or postgres:// address."""
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        return _sqlite(unquote(parts.path[1:] if parts.path.startswith("//") else parts.path))
    if parts.scheme in {"postgres", "postgresql"}:
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": parts.path.lstrip("/"),
            "USER": unquote(parts.username or ""),
            "PASSWORD": unquote(parts.password or ""),
            "HOST": parts.hostname or "",
            "PORT": str(parts.port or ""),
            "CONN_MAX_AGE": 0,
            "OPTIONS": {"pool": {"min_size": 1, "max_size": 16}},
        }
    raise ImproperlyConfigured(
        f"MCAL_DATABASE_URL has the scheme {parts.scheme!r}; use sqlite:///PATH or postgres://..."
    )


def mail_settings(url: str) -> dict[str, object]:
    """Return Django's EMAIL_* settings for an address like smtp+tls://USER:PASSWORD@HOST:587.

    `smtp` is plain, `smtp+tls` turns to TLS (STARTTLS), `smtps` is TLS from the first byte. Empty:
    no mail is ever sent.
    """
    if not url:
        return {"EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend"}
    parts = urlsplit(url)
    if parts.scheme == "console":  # to try things out: mails go to the log
        return {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}
    ports = {"smtp": 25, "smtp+tls": 587, "smtps": 465}
    if parts.scheme not in ports or not parts.hostname:
        raise ImproperlyConfigured(
            "MCAL_MAIL_URL must look like smtp+tls://USER:PASSWORD@HOST:587 "
            "(smtp, smtp+tls or smtps). See docs/configuration.md."
        )
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or ports[parts.scheme],
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_TLS": parts.scheme == "smtp+tls",
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_TIMEOUT": 15,
    }


def oidc_apps(env: Environment) -> list[dict[str, object]]:
    """Return allauth's description of the identity provider; empty: single sign-on is off."""
    if not env.oidc_issuer:
        return []
    if not env.oidc_client_id:
        raise ImproperlyConfigured(
            "MCAL_OIDC_ISSUER needs MCAL_OIDC_CLIENT_ID beside it. See docs/configuration.md."
        )
    return [
        {
            "provider_id": "sso",
            "name": env.oidc_name,
            "client_id": env.oidc_client_id,
            "secret": env.oidc_client_secret,
            "settings": {"server_url": env.oidc_issuer, "fetch_userinfo": False},
        }
    ]


def _sqlite(path: str) -> dict[str, object]:
    return {
        "ENGINE": "labelapp.sqlite_pool",
        "NAME": path,
        "CONN_MAX_AGE": 0,
        "TEST": {"NAME": f"{path}.test"},
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000;"
                " PRAGMA foreign_keys=ON; PRAGMA cache_size=-16000;"
                # 64 MiB of log: labelapp.sqlite_pool.checkpoints empties it before that
                " PRAGMA wal_autocheckpoint=16000; PRAGMA journal_size_limit=67108864;"
            ),
        },
    }
