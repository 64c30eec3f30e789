"""What competes in the race: a network and how it is trained, as one name.

    cnn_small                        fresh weights, one run
    cnn_small+checkpoints=20         the last 20 checkpoints of a run as one model
    cnn_small+seeds=5                five runs of other seeds as one model
    cnn_small+checkpoints=4+seeds=5  both ("combined"): 20 members
    resnet18+frozen                  pre-trained, its features as they are, a linear head
    resnet18+tuned                   pre-trained, all weights fine-tuned
    cnn_small+pseudo                 confident machine labels of the last round train along
    cnn_small+semi                   consistency training with the images that have no label

The algorithm takes such a name as it stands, each with its own error curves and its own cost
model; only the learner reads it. A name has one spelling: parts after the network in the order of
the alphabet, so that nothing races with itself.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mcal_engine.errors import InvalidConfigError

MOST_MEMBERS = 1_000
MOST_LETTERS = 80  # of a name
PARTS = ("checkpoints", "frozen", "pseudo", "seeds", "semi", "tuned")
FRESH, FROZEN, TUNED = "fresh", "frozen", "tuned"
"""Where the weights come from: drawn anew, or pre-trained (kept as they are, or fine-tuned)."""

_NET = re.compile(r"[a-z0-9][a-z0-9_.:-]*", re.ASCII | re.IGNORECASE)
_NUMBER = re.compile(r"[1-9][0-9]{0,5}|0", re.ASCII)


@dataclass(frozen=True)
class Candidate:
    """A network and how it is trained. `checkpoints` and `seeds` of 1 mean no ensemble."""

    net: str
    checkpoints: int = 1
    seeds: int = 1
    weights: str = FRESH
    pseudo: bool = False
    semi: bool = False

    def __post_init__(self) -> None:
        """Raise `InvalidConfigError` for parts that do not go together."""
        for wrong, message in _complaints(self):
            if wrong:
                raise InvalidConfigError(f"{self.name}: {message}")

    @property
    def members(self) -> int:
        """E, the members of the ensemble: checkpoints of each run times runs."""
        return self.checkpoints * self.seeds

    @property
    def name(self) -> str:
        """Return the one spelling of this candidate."""
        parts = {
            "checkpoints": f"checkpoints={self.checkpoints}" if self.checkpoints != 1 else "",
            "frozen": FROZEN if self.weights == FROZEN else "",
            "pseudo": "pseudo" if self.pseudo else "",
            "seeds": f"seeds={self.seeds}" if self.seeds != 1 else "",
            "semi": "semi" if self.semi else "",
            "tuned": TUNED if self.weights == TUNED else "",
        }
        return "+".join([self.net, *(parts[part] for part in PARTS if parts[part])])


def parse(name: str) -> Candidate:
    """Return the candidate of this name. Raises `InvalidConfigError` that says what is wrong."""
    net, *parts = name.split("+")
    if len(name) > MOST_LETTERS or not _NET.fullmatch(net):
        raise InvalidConfigError(f"{name[:MOST_LETTERS]!r} is not the name of a network")
    found: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if key not in PARTS or bool(equals) != (key in {"checkpoints", "seeds"}) or key in found:
            raise InvalidConfigError(f"{name}: {part!r} is not one of {', '.join(PARTS)}")
        found[key] = value
    if FROZEN in found and TUNED in found:
        raise InvalidConfigError(f"{name}: weights are either frozen or tuned")
    return Candidate(
        net=net,
        checkpoints=_number(name, found.get("checkpoints", "1")),
        seeds=_number(name, found.get("seeds", "1")),
        weights=FROZEN if FROZEN in found else TUNED if TUNED in found else FRESH,
        pseudo="pseudo" in found,
        semi="semi" in found,
    )


def canonical(name: str) -> str:
    """Return the one spelling of this name. Raises `InvalidConfigError`."""
    return parse(name).name


def is_ensemble(name: str) -> bool:
    """Tell whether a candidate has two members or more. Raises `InvalidConfigError`."""
    return "+" in name and parse(name).members > 1


def learns_from_itself(name: str) -> bool:
    """Tell whether a training of this candidate looks at its model of the round before."""
    return "+" in name and parse(name).pseudo


def without_semi(name: str) -> str | None:
    """Return this candidate without consistency training, None where it has none."""
    if "+" not in name:
        return None
    found = parse(name)
    return replace(found, semi=False).name if found.semi else None


def _number(name: str, value: str) -> int:
    if not _NUMBER.fullmatch(value):
        raise InvalidConfigError(f"{name}: {value!r} is not a number of members")
    return int(value)


def _complaints(one: Candidate) -> list[tuple[bool, str]]:
    pretrained = one.weights != FRESH
    return [
        (min(one.checkpoints, one.seeds) < 1, "an ensemble has at least one member"),
        (one.members > MOST_MEMBERS, f"an ensemble has at most {MOST_MEMBERS:,} members"),
        (
            one.weights == FROZEN and one.members > 1,
            "a linear head on frozen features has one best solution, so members would agree",
        ),
        (one.semi and pretrained, "consistency training starts from fresh weights"),
        (one.semi and one.pseudo, "consistency training makes pseudo-labels of its own"),
    ]
