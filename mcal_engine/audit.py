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
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mcal_engine import guarantees
from mcal_engine.audit_choice import Choice, choose, expected_labels, fallbacks, frame
from mcal_engine.audit_looks import (
    Seen,
    certified,
    look,
    seen,
    still_needed,
    verdict,
    wrong_at_most,
)
from mcal_engine.evidence import level, log_e, smallest_allowance
from mcal_engine.selection import hash_order
from mcal_engine.types import Audit, BoolArray, IntArray, Pool, RunConfig, Scores

__all__ = [
    "Choice",
    "Seen",
    "certified",
    "choose",
    "delivered",
    "document",
    "expected_labels",
    "fallbacks",
    "frame",
    "freeze",
    "labels_hash",
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

CERTIFIED = "certified"
BOUNDED = "bounded by an audit"
"""The promises: the target was proved; a budget chose the set and its bound was proved."""

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
        n=n,
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
    """Return S_J* as it was frozen, by number; the same while B, marks and `ahead` stay."""
    inside = ~pool.train & ~pool.marked & ~pool.ahead & (uncertainty <= np.float32(audit.cuts[-1]))
    inside[list(audit.excluded)] = False
    return np.flatnonzero(inside).astype(np.int64)


def order(audit: Audit, pool: Pool, uncertainty: Uncertainty) -> IntArray:
    """Return S_J* in the order in which its labels are asked for: by SHA-256(key || item)."""
    return hash_order(audit.key, population(audit, pool, uncertainty))


# --- the certificate --------------------------------------------------------------------------


def delivered(
    audit: Audit,
    order: IntArray,
    labels: IntArray,
    uncertainty: Uncertainty,
    excluded: BoolArray,
    *,
    forced: bool = False,
) -> IntArray:
    """Return S, by number: the certified set without the items that have a human label.

    `forced`: a budget chose the one set, which is delivered whatever the audit found.
    """
    best = 0 if forced else certified(audit)
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
    forced: bool = False,
) -> dict[str, object]:
    """Return everything needed to recompute the verdict, ready for JSON (docs/certificates.md).

    Call it when the verdict is to be used: before the residual is labelled. A set that a budget
    chose (`forced`) is never tested against its allowance as well: the bound spends all of
    alpha_a.
    """
    best = 0 if forced else certified(audit)
    prefix = seen(audit, order, labels, pred, uncertainty, excluded)
    items = delivered(audit, order, labels, uncertainty, excluded, forced=forced)
    n = audit.n or len(labels) - int((labels[list(audit.excluded)] < 0).sum())
    wrong = _bound(audit, prefix) if forced else wrong_at_most(audit, prefix)
    return {
        "kind": config.target.certificate.value,
        "promise": BOUNDED if forced else CERTIFIED,
        **_fixed(audit, config, n, scores_hash(pred, uncertainty)),
        "frozen": audit.frozen,
        "key": audit.key,
        "looked": len(prefix.wrong),
        "audited": _answers(order, labels, pred, uncertainty, excluded),
        "accepted": best,
        "threshold": None if best is None else audit.cuts[best],
        "machine_labels": len(items),
        "labels_sha256": labels_hash(items, pred),
        "wrong_at_most": wrong,
        "bound": wrong / max(n, 1),
    }


def labels_hash(items: IntArray, pred: Predicted) -> str:
    """Return the SHA-256 of the lines `item label` of S, by number: what was delivered."""
    lines = "".join(f"{item} {label}\n" for item, label in zip(items, pred[items], strict=True))
    return hashlib.sha256(lines.encode()).hexdigest()


def _bound(audit: Audit, prefix: Seen) -> int:
    n, k = (int(counts[0]) for counts in prefix.counts)
    return smallest_allowance(n, k, audit.sizes[0], audit.forecasts[0], audit.alpha)


def sealed(document: dict[str, object]) -> dict[str, object]:
    """Return a certificate as its file holds it: the content and the SHA-256 of it."""
    return {"content": document, "sha256": _hash(document)}


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
