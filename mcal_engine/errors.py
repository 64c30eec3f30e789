"""Errors of the engine. Each carries a machine-readable code."""

from __future__ import annotations


class EngineError(Exception):
    """Base of every error that the engine raises on purpose."""

    code = "engine_error"


class InvalidConfigError(EngineError):
    """A run's settings make no sense (epsilon outside (0, 1), one class, too few images)."""

    code = "invalid_config"


class BudgetTooSmallError(InvalidConfigError):
    """A budget cannot lead to a promise that is worth its money; `least` dollars could."""

    code = "budget_too_small"

    def __init__(self, message: str, least: float) -> None:
        super().__init__(message)
        self.least = least


class InvalidAnswerError(EngineError):
    """An answer does not belong to the request that the state waits for."""

    code = "invalid_answer"


class StateVersionError(EngineError):
    """A saved state is newer than this program, or is not a state at all."""

    code = "state_version"


class DataError(EngineError):
    """A data set or a job folder cannot be read, or holds the wrong thing."""

    code = "bad_data"


class WeightsError(DataError):
    """Pre-trained weights are missing, half-written, changed, or of another network."""

    code = "bad_weights"


class TrainingError(EngineError):
    """A training failed (NaN loss, nothing to train on)."""

    code = "training_failed"


class DiskFullError(EngineError):
    """What a training has to keep does not fit: the disk is full, or a bound is reached."""

    code = "disk_full"


class CancelledError(EngineError):
    """A training was asked to stop."""

    code = "cancelled"
