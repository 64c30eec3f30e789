"""The product's settings with a trainer that starts at once, for tests with real processes."""

from __future__ import annotations

from labelapp.settings import *  # noqa: F403
from tests.app.tasks.driving_commands import FAKE_TRAINER

TRAINER_COMMAND = FAKE_TRAINER
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
