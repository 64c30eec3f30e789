"""Why an attempt at a training failed, in words for the manager."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from typing import Any

HOPELESS = frozenset({"bad_weights"})
"""Codes of the program's errors that do not go away by repeating."""


class TrainingFailedError(Exception):
    """An attempt failed; the message says why, in words for the manager."""


class HopelessError(TrainingFailedError):
    """Another attempt would fail alike: somebody has to put a file right first."""


def of_result(result: dict[str, Any]) -> TrainingFailedError:
    """Return the error that a result with `ok` false tells of."""
    kind = HopelessError if result.get("code") in HOPELESS else TrainingFailedError
    return kind(str(result.get("message") or result.get("code") or "no reason"))


@contextlib.contextmanager
def disk_errors_in_words() -> Iterator[None]:
    """Turn errors of the disk into TrainingFailedError."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise TrainingFailedError("The disk is full. Free some space") from error
        raise TrainingFailedError(str(error)) from error
