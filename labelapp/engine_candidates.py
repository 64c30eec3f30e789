"""The bridge's part for candidates: a network and how it is trained, as one name.

Nothing here needs NumPy, so a web process may import the engine's names and settings.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcal_engine import candidates, presets, training
from mcal_engine.config import Weighing
from mcal_engine.errors import InvalidConfigError

MOST_MEMBERS = candidates.MOST_MEMBERS
OPTIONS = training.OPTIONS
PRESETS = presets.PRESETS
USUAL_WEIGHING = Weighing()
PLAIN = "plain"


class WrongCandidateError(ValueError):
    """The engine has no such candidate; the message is its own, in English, without the name."""


@dataclass(frozen=True)
class Parts:
    """A candidate as a form asks for it; `way` is one of `labelapp.choices.WAYS`."""

    net: str
    way: str = PLAIN
    checkpoints: int = 1
    seeds: int = 1

    @property
    def members(self) -> int:
        """E, the members of the ensemble; 1 means none."""
        return self.checkpoints * self.seeds

    @property
    def pretrained(self) -> bool:
        """Whether it begins at weights from a file."""
        return bool({candidates.TUNED, candidates.FROZEN} & self.ways)

    @property
    def ways(self) -> frozenset[str]:
        """The parts of `way`, none for a plain training."""
        return frozenset() if self.way == PLAIN else frozenset(self.way.split("+"))

    @property
    def name(self) -> str:
        """The one spelling. Raises WrongCandidateError for parts that do not go together."""
        return _checked("+".join([self.net, *self._spelled()])).name

    def _spelled(self) -> list[str]:
        parts = [] if self.way == PLAIN else self.way.split("+")
        if self.checkpoints != 1:
            parts.append(f"checkpoints={self.checkpoints}")
        return [*parts, f"seeds={self.seeds}"] if self.seeds != 1 else parts


def parts_of(name: str) -> Parts:
    """Return the parts of a candidate's name. Raises WrongCandidateError."""
    found = _checked(name)
    ways = [found.weights] if found.weights != candidates.FRESH else []
    ways += ["pseudo"] if found.pseudo else []
    ways += ["semi"] if found.semi else []
    return Parts(found.net, "+".join(sorted(ways)) or PLAIN, found.checkpoints, found.seeds)


def canonical(name: str) -> str:
    """Return the one spelling of a name. Raises WrongCandidateError."""
    return _checked(name).name


def _checked(name: str) -> candidates.Candidate:
    try:
        return candidates.parse(name)
    except InvalidConfigError as error:
        text = str(error)  # "the name: what is wrong with it"
        raise WrongCandidateError(text.partition(": ")[2] or text) from error


def seen(name: str, settings: dict[str, float]) -> float:
    """Return how many images a training of this candidate sees for each one of a plain training.

    With pseudo-labels at most so many. `settings` are a run's. Raises WrongCandidateError.
    """
    found = _checked(name)
    if found.semi:
        return training.semi_of(settings).images * found.seeds
    if found.pseudo:
        return (1 + training.pseudo_of(settings).most) * found.seeds
    return float(found.seeds)


def floor_problem(settings: dict[str, float]) -> bool:
    """Tell whether the threshold of pseudo-labels would stop falling above where it begins."""
    found = training.pseudo_of(settings)
    return found.floor > found.threshold


def usual_value(name: str) -> float | None:
    """Return the usual value of a setting; None where it depends on the network or the images."""
    if name in vars(USUAL_WEIGHING):
        return float(getattr(USUAL_WEIGHING, name))
    part, _, rest = name.partition("_")
    kinds = {
        "pseudo": training.Pseudo(),
        "semi": training.Semi(),
        "members": training.MembersRoom(),
    }
    if part in kinds and hasattr(kinds[part], rest):
        return float(getattr(kinds[part], rest))
    return _OF_THE_TAIL.get(name)


_OF_THE_TAIL = {"tail": 0.3, "tail_rate": 0.2, "spacing": 0.0}
"""As in `mcal_engine.vision.recipes.Recipe`, which needs torch."""
