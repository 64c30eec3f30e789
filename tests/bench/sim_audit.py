"""How often certificate A is wrong, and how many labels it takes: simulated audits.

    .venv/bin/python -m tests.bench.sim_audit [--audits 2000] [--seed 0]

N = 10,000 images, epsilon 5 %, alpha 5 %, first attempt. An audit is wrong if at any moment a set
could have been delivered with more wrong labels than its certificate says, which covers every
rule of stopping. The tables are in docs/certificates.md.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from functools import cache

import numpy as np

from mcal_engine import audit
from mcal_engine.guarantees import allowance
from mcal_engine.types import BoolArray, FloatArray, IntArray

N, EPSILON, ALPHA = 10_000, 0.05, 0.05
LEVEL = audit.level(ALPHA, 1)
NEVER = np.iinfo(np.int64).max


# --- worlds -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """Nested sets of these sizes with these numbers of wrong labels, and what was forecast."""

    name: str
    sizes: tuple[int, ...]
    errors: tuple[int, ...]
    forecasts: tuple[float, ...]
    level: float = LEVEL

    @property
    def allowances(self) -> tuple[int, ...]:
        """Wrong labels allowed per set."""
        return tuple(allowance(EPSILON, N, size) for size in self.sizes)

    def draw(self, rng: np.random.Generator) -> tuple[IntArray, BoolArray]:
        """Return a committed order: the smallest set of each item, and whether it is wrong."""
        level = np.repeat(np.arange(len(self.sizes)), np.diff(self.sizes, prepend=0))
        wrong = np.zeros(self.sizes[-1], dtype=np.bool_)
        start = 0
        for size, more in zip(self.sizes, np.diff(self.errors, prepend=0), strict=True):
            wrong[start : start + more] = True
            start = size
        order = rng.permutation(self.sizes[-1])
        return level[order], wrong[order]


SIZES = tuple(round(share * 8800) for share in (0.5, 0.7, 0.8, 0.87, 0.92, 0.96, 1.0))


def boundary_worlds() -> list[World]:
    """The set of 8,096 images is the first that holds too many wrong labels.

    One too many, or so many that a few dozen corrections do not help; forecasts that are right,
    and that promise half of the truth.
    """
    shapes = {
        "one too many": (40, 130, 220, 350, 501, 560, 640),
        "20 too many": (40, 130, 220, 350, 520, 580, 660),
        "60 too many": (40, 130, 220, 350, 560, 620, 700),
        "150 too many": (40, 130, 220, 350, 650, 720, 800),
        "one too many in the largest": (20, 70, 140, 220, 310, 400, 501),
        "one too many, and the same in all above": (40, 130, 220, 350, 501, 501, 501),
    }
    return [
        World(f"{name}, forecast {words}", SIZES, errors, tuple(share * e / s for e, s in pairs))
        for name, errors in shapes.items()
        for share, words in ((1.0, "right"), (0.5, "half of it"))
        for pairs in [list(zip(errors, SIZES, strict=True))]
    ]


def staircase() -> World:
    """Forty sets, each with 3 more wrong labels: the first bad one moves with each correction."""
    sizes = tuple(range(8000, 8000 + 40 * 10, 10))
    errors = tuple(range(501, 501 + 40 * 3, 3))
    return World("staircase", sizes, errors, (0.045,) * 40)


# --- one audit --------------------------------------------------------------------------------


@cache
def boundary(
    size: int, allowed: int, forecast: float, most: int, level: float, own: bool
) -> IntArray:
    """Return for each k up to `most` the fewest labels n at which a set passes with k wrong ones.

    The e-value rises with n at equal k, so this says all that `audit.look` would. `own`: found
    wrong labels count as corrected.
    """
    k = np.arange(most + 1)
    low, high = k - 1, np.full(len(k), size)
    needed = np.log(1 / level)
    ends = audit.log_e(high, k, size, allowed, forecast, corrected=own) >= needed
    while np.any(high - low > 1):
        middle = (low + high) // 2
        good = audit.log_e(middle, k, size, allowed, forecast, corrected=own) >= needed
        low, high = np.where(good, low, middle), np.where(good, middle, high)
    return np.where(ends, high, NEVER)


@dataclass(frozen=True)
class Rule:
    """When each set passes: `own[j]` and `strict[j]` are boundaries [k]."""

    own: list[IntArray]
    strict: list[IntArray]

    @classmethod
    def of(cls, world: World) -> Rule:
        """Work out the boundaries of a world."""
        sets = list(zip(world.sizes, world.allowances, world.forecasts, world.errors, strict=True))
        return cls(
            [boundary(*one, world.level, True) for one in sets],
            [boundary(*one, world.level, False) for one in sets],
        )


@dataclass(frozen=True)
class Passed:
    """For each set the first look at which it passed (`NEVER`), and its wrong labels found."""

    own: IntArray
    strict: IntArray
    found: IntArray  # k_j at each look [looks, sets]


def followed(rule: Rule, n: IntArray, k: IntArray) -> Passed:
    """Judge the counts n_j, k_j at each look [looks, sets]."""

    def first(bounds: list[IntArray]) -> IntArray:
        good = np.stack([n[:, j] >= bound[k[:, j]] for j, bound in enumerate(bounds)], axis=1)
        return np.where(good.any(axis=0), good.argmax(axis=0), NEVER)

    return Passed(first(rule.own), first(rule.strict), k)


def counts(world: World, level: IntArray, wrong: BoolArray) -> tuple[IntArray, IntArray]:
    """Return n_j and k_j [length, sets] after each item."""
    inside = level[:, None] <= np.arange(len(world.sizes))
    return inside.cumsum(axis=0), (inside & wrong[:, None]).cumsum(axis=0)


def key_counts(world: World, level: IntArray, wrong: BoolArray) -> tuple[IntArray, IntArray]:
    """Return n_j and k_j where they matter: just before each wrong item, and at the end.

    Between two wrong items no k changes, and what passes at all has passed at the last moment.
    """
    at = np.append(np.flatnonzero(wrong), len(wrong))
    piece = np.repeat(np.arange(len(at)), np.diff(at, prepend=0))
    shape = (len(at), len(world.sizes))
    every = np.bincount(piece * shape[1] + level, minlength=shape[0] * shape[1]).reshape(shape)
    bad = np.zeros(shape, dtype=np.int64)
    bad[np.arange(1, len(at)), level[at[:-1]]] = 1
    return every.cumsum(axis=0).cumsum(axis=1), bad.cumsum(axis=0).cumsum(axis=1)


def mistaken(world: World, passed: Passed, *, gates: str = "strict") -> bool:
    """Tell whether at some look a set could be delivered that breaks its certificate.

    With `gates="own"` the smaller sets, too, are credited with their corrections: the rule that
    has no proof.
    """
    doors = passed.strict if gates == "strict" else passed.own
    before = np.concatenate([[-1], np.maximum.accumulate(doors)[:-1]])
    when = np.maximum(passed.own, before)
    for j in np.flatnonzero(when < NEVER):
        left = world.errors[j] - passed.found[when[j], j]
        if left > world.allowances[j]:
            return True
        if passed.strict[j] < NEVER and world.errors[j] > world.allowances[j]:
            return True
    return False


# --- answers that come late -------------------------------------------------------------------


def arrivals(wrong: BoolArray, rng: np.random.Generator, *, slow: float) -> FloatArray:
    """Return when each answer comes: in the order of the queue, wrong ones `slow` times later."""
    delay = rng.exponential(30.0, len(wrong)) * np.where(wrong, slow, 1.0)
    return np.asarray(np.arange(len(wrong)) + delay)


def looks(
    world: World,
    level: IntArray,
    wrong: BoolArray,
    rng: np.random.Generator,
    *,
    prefix: bool,
    slow: float,
) -> tuple[IntArray, IntArray]:
    """Return n_j, k_j [looks, sets] at random moments, of the prefix or of all that has come."""
    come = arrivals(wrong, rng, slow=slow)
    moments = np.sort(rng.uniform(0, len(wrong), 300))
    order = np.arange(len(wrong)) if prefix else np.argsort(come)
    done = np.maximum.accumulate(come) if prefix else come[order]
    lengths = np.searchsorted(done, moments, side="right")
    n, k = counts(world, level[order[: lengths[-1]]], wrong[order[: lengths[-1]]])
    zero = np.zeros((1, n.shape[1]), dtype=np.int64)
    return np.concatenate([zero, n])[lengths], np.concatenate([zero, k])[lengths]


# --- tables -----------------------------------------------------------------------------------


def false_rate(world: World, audits: int, seed: int, *, gates: str = "strict") -> float:
    """Return the share of audits that could have been wrong at some moment."""
    rng, rule = np.random.default_rng(seed), Rule.of(world)
    wrong = 0
    for _ in range(audits):
        passed = followed(rule, *key_counts(world, *world.draw(rng)))
        wrong += mistaken(world, passed, gates=gates)
    return wrong / audits


def late_false_rate(world: World, audits: int, seed: int, *, prefix: bool, slow: float) -> float:
    """Return the same where answers come out of order and wrong items are slow."""
    rng, rule = np.random.default_rng(seed), Rule.of(world)
    wrong = 0
    for _ in range(audits):
        seen = looks(world, *world.draw(rng), rng, prefix=prefix, slow=slow)
        wrong += mistaken(world, followed(rule, *seen))
    return wrong / audits


def lengths(rate: float, audits: int, seed: int, *, corrected: bool) -> FloatArray:
    """Return the labels until one set of 10,000 images passes at level 5 % [audits]."""
    world = World("one set", (N,), (round(rate * N),), (rate,), level=0.05)
    rng, rule = np.random.default_rng(seed), Rule.of(world)
    bound = (rule.own if corrected else rule.strict)[0]
    found = []
    for _ in range(audits):
        n, k = counts(world, *world.draw(rng))
        found.append(int((n[:, 0] >= bound[k[:, 0]]).argmax()) + 1)
    return np.asarray(found, dtype=np.float64)


def bound_misses(rate: float, audits: int, seed: int) -> float:
    """Return the share of audits whose bound (budget mode) was ever below the truth."""
    wrong, rng, missed = round(rate * N), np.random.default_rng(seed), 0
    world = World("one set", (N,), (wrong,), (rate / 2,))
    looked = np.unique(np.geomspace(20, 3000, 40).astype(int)) - 1
    for _ in range(audits):
        n, k = (c[looked, 0] for c in counts(world, *world.draw(rng)))
        missed += any(
            audit.smallest_allowance(int(a), int(b), N, rate / 2, LEVEL) < wrong - b
            for a, b in zip(n, k, strict=True)
        )
    return missed / audits


def say(line: str) -> None:
    """Write one line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> int:
    """Print the tables; returns 1 if an audit is wrong more often than it may be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audits", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    audits, seed = options.audits, options.seed
    most = LEVEL + 2 * np.sqrt(LEVEL * (1 - LEVEL) / audits)
    say(f"alpha_a {LEVEL:.3f}, {audits} audits each, at most {most:.4f} expected")
    worst = 0.0
    for world in [*boundary_worlds(), staircase()]:
        rate = false_rate(world, audits, seed)
        late = late_false_rate(world, audits, seed, prefix=True, slow=20.0)
        worst = max(worst, rate, late)
        say(f"{world.name:60s} wrong {rate:.4f}, answers out of order {late:.4f}")
    broken = false_rate(staircase(), audits, seed, gates="own")
    say(f"staircase, corrections credited to smaller sets too: {broken:.4f}")
    for slow in (1.0, 5.0, 20.0):
        rate = late_false_rate(boundary_worlds()[0], audits, seed, prefix=False, slow=slow)
        say(f"all answers that have come, wrong ones {slow:g} times slower: {rate:.4f}")
    for rate in (0.01, 0.05):
        say(
            f"budget's bound at {rate:.0%} wrong, ever too small: {bound_misses(rate, min(audits, 300), seed):.4f}"
        )
    for rate in (0.02, 0.03, 0.04):
        for corrected in (True, False):
            found = lengths(rate, audits, seed, corrected=corrected)
            words = "own" if corrected else "as a smaller set"
            said = f"mean {found.mean():.0f}, median {np.median(found):.0f}"
            planned = float(audit.expected_labels(rate, N, 500, 0.05))
            say(
                f"labels at {rate:.0%} wrong, {words}: {said}, "
                f"90 % {np.quantile(found, 0.9):.0f}, planned {planned:.0f}"
            )
    return int(worst > most)


if __name__ == "__main__":
    sys.exit(main())
