"""Pytest plugin, loaded before anything else: tests never touch the real data folder."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import tempfile

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "labelapp.settings")
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "0")
if "MCAL_TEST_DATA_DIR" not in os.environ:
    folder = tempfile.mkdtemp(prefix="mcal-test-")
    os.environ["MCAL_TEST_DATA_DIR"] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
os.environ["MCAL_DATA_DIR"] = os.environ["MCAL_TEST_DATA_DIR"]
os.environ.setdefault("MCAL_SECRET_KEY", "test-only")
# Two pytest processes share two cores: torch with two threads in each only gets in its own way.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_finish() -> None:
    """Let the collector pass over what stays to the end: Django, NumPy, the tests themselves."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
