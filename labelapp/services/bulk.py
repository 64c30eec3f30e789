"""Bulk actions on a filter of images, as a job: it goes on where it was, and can be cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelapp.models import Job
    from labelapp.queue import JobControl


def run_bulk(job: Job, control: JobControl) -> None:
    """Do the action of `job.params` to every image of its filter."""
    raise NotImplementedError
