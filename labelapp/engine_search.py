"""The bridge's part for searches for the best training set: what the engine knows beforehand.

NumPy and the engine are imported when the first question comes, never for another page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mcal_engine import search

FULL, FOUND, RANDOM = "full", "search", "random"
"""What is judged at the end: all labelled images, the part that was found, a random one."""


class Wish(Protocol):
    """What somebody wants to have searched for, as far as the engine is concerned."""

    @property
    def share(self) -> float:
        """The part that is kept, of the images that are not held out."""

    @property
    def scheme(self) -> str:
        """How the models come to their weights."""

    @property
    def acquisition(self) -> str:
        """What a stage takes first."""

    @property
    def acquirer(self) -> str:
        """The candidate that chooses."""

    @property
    def model(self) -> str:
        """The candidate that the part is judged by."""

    @property
    def outliers(self) -> float:
        """The share that is passed over because it is the most uncertain."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Each repeats the whole experiment."""

    @property
    def held_out(self) -> float:
        """The share of the images that judges."""

    @property
    def compare(self) -> bool:
        """Whether models are judged at the end."""


@dataclass(frozen=True)
class Facts:
    """What a candidate's name says."""

    net: str
    runs: int
    members: int
    fresh: bool  # starts from fresh weights
    outside: bool  # learns from images outside its training set as well


@dataclass(frozen=True)
class Training:
    """One training that a search will do: of this candidate, on so many images."""

    arch: str
    images: int


def facts_of(name: str) -> Facts | None:
    """Return what a candidate's name says, None for a name that makes no sense."""
    from mcal_engine.candidates import FRESH, parse  # noqa: PLC0415
    from mcal_engine.errors import InvalidConfigError  # noqa: PLC0415

    try:
        found = parse(name)
    except InvalidConfigError:
        return None
    fresh, outside = found.weights == FRESH, found.pseudo or found.semi
    return Facts(found.net, found.seeds, found.members, fresh, outside)


def least_images(wish: Wish, classes: int) -> int:
    """Return how many labelled images a search needs, those that are held out included.

    The first stage holds six images per class at least.
    """
    from mcal_engine import search  # noqa: PLC0415

    first = max(search.stage_sizes(_settings(wish), 1_000_000)[0], 1) / 1_000_000  # never of none
    return -(-int(search.PER_CLASS * classes / first / (1 - wish.held_out) * 1_000) // 1_000)


def judges(wish: Wish, images: int, marked: int) -> int:
    """Return how many of so many labelled images judge: the marked ones, whatever was asked for."""
    return max(round(wish.held_out * images), marked)


def trainings(wish: Wish, images: int, marked: int) -> list[Training]:
    """Return the trainings of a search over so many labelled images, in the engine's order.

    `marked` of the images are test marks: they all judge.
    """
    from mcal_engine import search  # noqa: PLC0415

    settings = _settings(wish)
    labelled = images - judges(wish, images, marked)
    sizes = search.stage_sizes(settings, labelled)
    learnt = sizes[:-1] if search.starts_random(settings) else [labelled] * len(sizes)
    found = [Training(wish.acquirer, size) for size in learnt]
    if wish.compare:
        found += [Training(wish.model, size) for size in (labelled, sizes[-1], sizes[-1])]
        if settings.scheme is search.Scheme.PRETRAIN:
            found[-2:] = [Training(wish.model, size) for size in (sizes[-1], sizes[-1])]
    return found * len(wish.seeds)


def held_out(marked: NDArray[Any], share: float) -> NDArray[Any]:
    """Return the places of the images that judge, ascending: those `marked` [n], and of the others
    a random draw until there are `share` of all.
    """
    import numpy as np  # noqa: PLC0415 - web processes stay small

    from mcal_engine.orders import hash_draw  # noqa: PLC0415

    sure, others = np.flatnonzero(marked), np.flatnonzero(~marked)
    missing = max(0, round(share * len(marked)) - len(sure))
    return np.sort(np.concatenate([sure, hash_draw("0:search:held_out", others, missing)]))


def _settings(wish: Wish) -> search.SearchSettings:
    from mcal_engine import search  # noqa: PLC0415

    return search.SearchSettings(
        share=wish.share,
        scheme=search.Scheme(wish.scheme),
        acquisition=wish.acquisition,
        acquirer=wish.acquirer,
        model=wish.model,
        outliers=wish.outliers,
    )
