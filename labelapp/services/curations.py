"""Searches for the best training set, over the labels of a finished project.

One at a time: the rows of `Curation` say which, a job does the work (`services.curation_program`).
Nothing of a search enters the run: its models are thrown away, its cost is no part of the
certificate's, and what it found is shown for a finished project only (docs/search.md).
"""

from __future__ import annotations

from labelapp.models import Curation, Job
from labelapp.queue import JobControl
from labelapp.selectors.projects import Access
from labelapp.services.curation_settings import CurationSettings


def start(*, access: Access, settings: CurationSettings) -> Curation:
    """Begin a search. Raises ForbiddenError, ConflictError (not finished, one is live, too few
    labels), InvalidInputError with what is wrong by field.
    """
    raise NotImplementedError


def cancel(*, access: Access, curation_id: int) -> None:
    """End a search within about a second; finished steps stay, so that it can go on.

    Raises ForbiddenError, NotFoundError, ConflictError where it has ended.
    """
    raise NotImplementedError


def go_on(*, access: Access, curation_id: int) -> Curation:
    """Let a failed or cancelled search go on behind its last finished step.

    Raises ForbiddenError, NotFoundError, ConflictError.
    """
    raise NotImplementedError


def delete(*, access: Access, curation_id: int) -> None:
    """Remove a search with its files. Raises ForbiddenError, NotFoundError, ConflictError (live)."""
    raise NotImplementedError


def run(job: Job, control: JobControl) -> None:
    """Do a search; called by the worker, harmless when repeated."""
    raise NotImplementedError


def give_up(curation_id: int, words: str) -> None:
    """Write down why a search will not end by itself."""
    raise NotImplementedError
