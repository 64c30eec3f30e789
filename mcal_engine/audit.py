"""Certificate A, the sequential audit: the only promise that is called "certified".

Freeze a model's labels and nested candidate sets, write down the order in which the audit will
ask, then let people label in that order and judge the longest prefix whose answers are all in.

The claim: the delivered set holds more wrong machine labels than its allowance with probability
<= alpha, over all attempts, whatever was peeked at or stopped early. Set J is certified once
every smaller set j has shown E_j <= allowance_j, and J itself E_J - k_J <= allowance_J (its k_J
wrong labels that were found are put right), each with an e-value that ever reached 1 / alpha_a.
Proof: let j0 be the first set with E_j > allowance_j. A wrongly certified J is j0, or lies above
it and j0 has passed as a smaller set; either way one fixed e-process, of mean <= 1, has reached
1 / alpha_a: Ville's inequality. (Crediting the smaller sets with their corrections as well would
let "the first bad set" move during the audit, and the proof with it.) The attempts' alpha_a add
up to alpha. Source: `../shared/design/mcal.md`, "The promise".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log

import numpy as np
from numpy.typing import NDArray

from mcal_engine import guarantees
from mcal_engine.audit_choice import Choice, choose, expected_labels, fallbacks
from mcal_engine.evidence import STRENGTH, level, log_e, smallest_allowance
from mcal_engine.selection import hash_order
from mcal_engine.types import Audit, BoolArray, FloatArray, IntArray, Pool, RunConfig, Scores

__all__ = [
    "Choice",
    "Seen",
    "certified",
    "choose",
    "delivered",
    "document",
    "expected_labels",
    "fallbacks",
    "freeze",
    "level",
    "log_e",
    "look",
    "order",
    "population",
    "scores_hash",
    "sealed",
    "seen",
    "smallest_allowance",
    "still_needed",
    "verdict",
    "wrong_at_most",
]

Uncertainty = NDArray[np.float32]
Predicted = NDArray[np.uint16]


# --- before the first label -------------------------------------------------------------------


def freeze(
    pool: Pool,
    scores: Scores,
    config: RunConfig,
    *,
    attempt: int,
    arch: str,
    cuts: Sequence[float],
    forecasts: Sequence[float],
    planned: float,
) -> Audit:
    """Fix everything that an attempt's verdict depends on, and the order it will ask in.

    `cuts`, ascending, make the nested sets {uncertainty under L(.) <= cut} of the images that
    nobody has labelled; `forecasts` are the error shares expected in them, `planned` the audit
    labels. Sizes and allowances are counted here.
    """
    uncertainty = scores.by(config.confidence)
    taken = pool.remainder & (pool.labels >= 0)
    left = uncertainty[pool.remainder & ~taken]
    exact = tuple(_short(cut) for cut in cuts)
    sizes = tuple(int((left <= np.float32(cut)).sum()) for cut in exact)
    n = int(len(pool.labels) - pool.excluded.sum())
    made = Audit(
        attempt=attempt,
        alpha=level(config.target.alpha, attempt),
        arch=arch,
        model=scores.model,
        key="",
        frozen="",
        cuts=exact,
        sizes=sizes,
        allowances=tuple(guarantees.allowance(config.target.epsilon, n, size) for size in sizes),
        forecasts=tuple(float(p) for p in forecasts),
        planned=round(planned),
        excluded=tuple(int(item) for item in np.flatnonzero(pool.excluded | taken)),
        passed=(False,) * len(sizes),
    )
    frozen = _hash(_fixed(made, config, n, scores_hash(scores.pred, uncertainty)))
    return replace(made, frozen=frozen, key=f"{config.seed}:audit:{attempt}:{frozen[:16]}")


def scores_hash(pred: Predicted, uncertainty: Uncertainty) -> str:
    """Return the SHA-256 of all machine labels and uncertainties, in the order of the images."""
    digest = hashlib.sha256(np.ascontiguousarray(uncertainty, dtype="<f4").tobytes())
    digest.update(np.ascontiguousarray(pred, dtype="<u2").tobytes())
    return digest.hexdigest()


def _fixed(audit: Audit, config: RunConfig, n: int, scores: str) -> dict[str, object]:
    """Return what the hash covers: all that the verdict depends on beside the answers."""
    return {
        "criterion": config.target.criterion.value,
        "epsilon": config.target.epsilon,
        "alpha": config.target.alpha,
        "n": n,
        "seed": config.seed,
        "confidence": config.confidence,
        "attempt": audit.attempt,
        "level": audit.alpha,
        "arch": audit.arch,
        "model": audit.model,
        "scores_sha256": scores,
        "thresholds": list(audit.cuts),
        "sizes": list(audit.sizes),
        "allowances": list(audit.allowances),
        "forecasts": list(audit.forecasts),
        "excluded": list(audit.excluded),
    }


def _hash(content: dict[str, object]) -> str:
    """Return the SHA-256 of a JSON object in its canonical form (sorted keys, no spaces)."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _short(value: float | np.float32) -> float:
    """Return the shortest decimal that is this float32: order and equality stay, JSON shrinks."""
    return float(str(np.float32(value)))


# --- the committed order ----------------------------------------------------------------------


def population(audit: Audit, pool: Pool, uncertainty: Uncertainty) -> IntArray:
    """Return S_J* as it was frozen, by number; the same while B and the marks stay as they are."""
    inside = ~pool.train & ~pool.marked & (uncertainty <= np.float32(audit.cuts[-1]))
    inside[list(audit.excluded)] = False
    return np.flatnonzero(inside).astype(np.int64)


def order(audit: Audit, pool: Pool, uncertainty: Uncertainty) -> IntArray:
    """Return S_J* in the order in which its labels are asked for: by SHA-256(key || item)."""
    return hash_order(audit.key, population(audit, pool, uncertainty))


# --- looking at the answers -------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """A prefix of the committed order whose answers are all in.

    `inside` [length, sets] says which sets hold an item, `wrong` [length] whether its machine
    label is not what people say, or nobody could label it.
    """

    inside: BoolArray
    wrong: BoolArray

    @property
    def counts(self) -> tuple[IntArray, IntArray]:
        """Return n_j and k_j [sets] at the end of the prefix."""
        return self.inside.sum(axis=0), (self.inside & self.wrong[:, None]).sum(axis=0)


def seen(
    audit: Audit,
    order: IntArray,
    labels: IntArray,
    pred: Predicted,
    uncertainty: Uncertainty,
    excluded: BoolArray,
) -> Seen:
    """Return the longest prefix of `order` without an open item. Arrays [N] but for `order`.

    Slow and skipped images are the wrong ones, so nothing behind an open item counts.
    """
    known = (labels[order] >= 0) | excluded[order]
    prefix = order[: len(known) if known.all() else int(np.argmin(known))]
    cuts = np.asarray(audit.cuts, dtype=np.float32)
    return Seen(
        inside=uncertainty[prefix][:, None] <= cuts,
        wrong=excluded[prefix] | (labels[prefix] != pred[prefix]),
    )


def look(
    audit: Audit,
    order: IntArray,
    labels: IntArray,
    pred: Predicted,
    uncertainty: Uncertainty,
    excluded: BoolArray,
) -> Audit:
    """Judge every prefix of the answers, from the first label on; sets `looked` and `passed`.

    `passed[j]`: S_j may be delivered. Everything is judged again at each look, so the verdict
    follows from the answers alone, whoever looked and when. About 0.1 s after 3,000 labels.
    """
    prefix = seen(audit, order, labels, pred, uncertainty, excluded)
    return replace(audit, looked=len(prefix.wrong), passed=verdict(audit, prefix))


def verdict(audit: Audit, prefix: Seen) -> tuple[bool, ...]:
    """Return for each set whether it is certified on its own merits and those of all below it."""
    needed = log(1.0 / audit.alpha)
    passed, below = [], True
    for j in range(len(audit.sizes)):
        passed.append(below and _highest(audit, prefix, j, corrected=True) >= needed)
        below = below and _highest(audit, prefix, j, corrected=False) >= needed
    return tuple(passed)


def _highest(audit: Audit, prefix: Seen, j: int, *, corrected: bool) -> float:
    """Return the largest log e-value of set j at any prefix.

    Between two wrong labels it only rises, so just before and at each wrong one, and at the end.
    """
    wrong = prefix.wrong[prefix.inside[:, j]]
    if audit.sizes[j] == 0:
        return -np.inf
    at = np.flatnonzero(wrong) + 1  # prefix lengths that end in a wrong label
    n = np.concatenate([at - 1, at, [len(wrong)]])
    found = np.arange(len(at))
    k = np.concatenate([found, found + 1, [len(at)]])
    args = (audit.sizes[j], audit.allowances[j], audit.forecasts[j])
    return float(log_e(n, k, *args, corrected=corrected).max())


def certified(audit: Audit) -> int | None:
    """Return the index of the largest set that may be delivered, None if there is none yet."""
    found = [j for j, passed in enumerate(audit.passed) if passed]
    return found[-1] if found else None


def still_needed(audit: Audit, prefix: Seen) -> FloatArray:
    """Return the labels of the committed order that each set still needs [sets], on average.

    From the e-values now and the error shares that the labels and the forecast suggest; 0 for a
    set that has passed, inf for one that is not expected to, itself or a smaller one.
    """
    own = [_missing(audit, prefix, j, corrected=True) for j in range(len(audit.sizes))]
    below = [_missing(audit, prefix, j, corrected=False) for j in range(len(audit.sizes))]
    gates = np.maximum.accumulate([0.0, *below[:-1]])
    return np.maximum(own, gates)


def _missing(audit: Audit, prefix: Seen, j: int, *, corrected: bool) -> float:
    needed, size = log(1.0 / audit.alpha), audit.sizes[j]
    if size == 0:
        return float("inf")
    if _highest(audit, prefix, j, corrected=corrected) >= needed:
        return 0.0
    n, k = (int(counts[j]) for counts in prefix.counts)
    p = (k + STRENGTH * audit.forecasts[j]) / (n + STRENGTH)
    whole = float(expected_labels(p, size, audit.allowances[j], audit.alpha))
    args = (size, audit.allowances[j], audit.forecasts[j])
    reached = float(log_e(n, k, *args, corrected=corrected)[0])
    more = max(min(whole * (1.0 - reached / needed), size - n), 1.0)
    return more * audit.sizes[-1] / size if np.isfinite(whole) else float("inf")


# --- the certificate --------------------------------------------------------------------------


def delivered(
    audit: Audit, order: IntArray, labels: IntArray, uncertainty: Uncertainty, excluded: BoolArray
) -> IntArray:
    """Return S, by number: the certified set without the items that have a human label."""
    best = certified(audit)
    if best is None:
        return np.empty(0, dtype=np.int64)
    inside = uncertainty[order] <= np.float32(audit.cuts[best])
    return np.sort(order[inside & (labels[order] < 0) & ~excluded[order]])


def document(
    audit: Audit,
    order: IntArray,
    labels: IntArray,
    pred: Predicted,
    uncertainty: Uncertainty,
    excluded: BoolArray,
    *,
    config: RunConfig,
) -> dict[str, object]:
    """Return everything needed to recompute the verdict, ready for JSON (docs/certificates.md).

    Call it when the verdict is to be used: before the residual is labelled.
    """
    best = certified(audit)
    prefix = seen(audit, order, labels, pred, uncertainty, excluded)
    size = len(delivered(audit, order, labels, uncertainty, excluded))
    n = len(labels) - int((labels[list(audit.excluded)] < 0).sum())
    wrong = 0 if best is None else wrong_at_most(audit, prefix, best)
    return {
        "kind": config.target.certificate.value,
        "promise": "certified",
        **_fixed(audit, config, n, scores_hash(pred, uncertainty)),
        "frozen": audit.frozen,
        "key": audit.key,
        "looked": len(prefix.wrong),
        "audited": _answers(order, labels, pred, uncertainty, excluded),
        "accepted": best,
        "threshold": None if best is None else audit.cuts[best],
        "machine_labels": size,
        "wrong_at_most": wrong,
        "bound": wrong / max(n, 1),
    }


def sealed(document: dict[str, object]) -> dict[str, object]:
    """Return a certificate as its file holds it: the content and the SHA-256 of it."""
    return {"content": document, "sha256": _hash(document)}


def wrong_at_most(audit: Audit, prefix: Seen, best: int) -> int:
    """Return the promise on S: the allowance, less the wrong labels found if E_J itself passed."""
    found = int(prefix.counts[1][best])
    strict = _highest(audit, prefix, best, corrected=False) >= log(1.0 / audit.alpha)
    return audit.allowances[best] - (found if strict else 0)


def _answers(
    order: IntArray,
    labels: IntArray,
    pred: Predicted,
    uncertainty: Uncertainty,
    excluded: BoolArray,
) -> list[dict[str, object]]:
    """List every item of S_J* that has an answer, or that nobody could label (answer null)."""
    ranks = np.flatnonzero((labels[order] >= 0) | excluded[order])
    return [
        {
            "item": int(order[rank]),
            "order": int(rank),
            "machine": int(pred[order[rank]]),
            "uncertainty": _short(uncertainty[order[rank]]),
            "answer": None if excluded[order[rank]] else int(labels[order[rank]]),
        }
        for rank in ranks
    ]
