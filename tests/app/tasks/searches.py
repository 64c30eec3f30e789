"""Searches for the best training set as jobs: how tests do them, and what they look at."""

from __future__ import annotations

from pathlib import Path

from labelapp.models import Curation, Job
from labelapp.services.curation_settings import CurationSettings
from tests.app.tasks import driving

IMAGES = 180
SETTINGS = CurationSettings(acquirer="cnn_small+seeds=2", model="cnn_small+seeds=2")


def job_of(record: Curation) -> Job:
    return Job.objects.filter(key=f"curate:{record.pk}").latest("pk")


def do(record: Curation) -> str:
    """Do the search's job; return how it ended, with the row read again."""
    ended = driving.do_one(job_of(record))
    record.refresh_from_db()
    return ended


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()
