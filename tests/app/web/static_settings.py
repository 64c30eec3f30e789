"""The product's settings with static files in a folder that a test may change."""

from __future__ import annotations

import os

from labelapp.settings import *  # noqa: F403

STATICFILES_DIRS = [os.environ["STATIC_OF_THE_TEST"]]
