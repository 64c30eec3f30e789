"""The search for likely label errors, as a job (the library cleanlab judges)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelapp.models import Job
    from labelapp.queue import JobControl


def search(job: Job, control: JobControl) -> None:
    """Rank the project's labels by how much the model and the other votes contradict them."""
    raise NotImplementedError
