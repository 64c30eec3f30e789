"""How long the trainings of a recording take when it is replayed."""

from __future__ import annotations

from dataclasses import dataclass

from mcal_engine.lab.recording import Round, Take
from mcal_engine.learner import TrainedModel


@dataclass(frozen=True)
class Clock:
    """How long recorded trainings take in a replay: times `scale`, for other hardware.

    With `per_image` a training takes so many seconds per image of B, whatever was recorded: the
    paper's price of $0.0023 to $0.0028 is 2.3 to 2.8 s at $3.6 per hour. With `per_sample` it
    takes so many per image shown, as on a machine that does nothing else meanwhile.
    """

    scale: float = 1.0
    per_image: float | None = None
    per_sample: float | None = None

    def told(self, taken: Round, arch: str) -> TrainedModel:
        """Return a recorded training as if it had taken that long."""
        take = taken.take(arch)
        return TrainedModel(
            scores=take.scores(),
            train_seconds=self._seconds(taken, take),
            score_seconds=take.score_seconds * self.scale,
            samples_shown=take.samples_shown if self.per_image is None else taken.train_size,
            device=take.device,
        )

    def _seconds(self, taken: Round, take: Take) -> float:
        if self.per_image is not None:
            return taken.train_size * self.per_image
        if self.per_sample is not None:
            return take.samples_shown * self.per_sample
        return take.train_seconds * self.scale


RECORDED = Clock()
