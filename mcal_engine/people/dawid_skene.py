"""Dawid-Skene: who errs how, and what is probably right, from overlapping answers alone.

Each person has a confusion matrix P(says l | truth is k); given the truth, errors are assumed
independent between people. Fitted by expectation-maximisation to the largest posterior, in log
space, on sparse rows: one iteration over a million answers to 10 classes takes well below a
second. Source: Dawid and Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the
EM Algorithm", Applied Statistics 28 (1979). Where people share their errors (a picture that looks
like another class to everybody) the model is too sure of itself: its numbers are estimates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.special import logsumexp
from scipy.stats import beta

from mcal_engine.errors import DataError
from mcal_engine.people.votes import Floats, Votes

MOST_CELLS = 100_000_000  # images times classes, people times classes squared: 0.8 GB each


@dataclass(frozen=True)
class Prior:
    """Pseudo-answers that are added to the counts of every person and true class.

    `crowd` of them are spread as all people together answer that class: whoever gave few answers
    is taken for the average person. `floor` goes to each cell, `share` pseudo-images to each
    class. With crowd 0 nothing is shared between people (the model of 1979).
    """

    crowd: float = 4.0
    floor: float = 1e-3
    share: float = 1.0


@dataclass(frozen=True)
class Fit:
    """What was fitted. `posterior` [n_items, classes]; rows of images without answers: `shares`.

    `confusion` [n_workers, classes (truth), classes (said)], rows sum to 1. `objective` is the log
    posterior after each iteration: it never falls.
    """

    posterior: Floats
    confusion: Floats
    shares: Floats
    pseudo: Floats  # [classes, classes]: the pseudo-answers of every person
    objective: tuple[float, ...] = ()
    converged: bool = False


@dataclass(frozen=True)
class WorkerError:
    """How often a person is probably wrong: expected share, and a 95 % credible interval.

    The interval is that of a Beta posterior on the expected wrong and right answers (Jeffreys); it
    takes the fitted truth for known, so it is too narrow where few people overlap.
    """

    answers: int
    error: float
    low: float
    high: float


USUAL = Prior()
CROWD_STEPS = 50  # of EM with one confusion matrix for all people, for the prior


def fit(
    votes: Votes,
    *,
    prior: Prior = USUAL,
    weights: Floats | None = None,
    start: Fit | None = None,
    most: int = 200,
    tolerance: float = 1e-6,
) -> Fit:
    """Fit by EM until the objective grows by less than `tolerance` per answer, or `most` steps.

    `weights` [n_items] count images several times (a bootstrap). `start` goes on from an earlier
    fit with its prior; by default one confusion matrix for all people is fitted first, from the
    shares of votes. The order of answers plays no part. Raises `DataError` for more than
    `MOST_CELLS` cells.
    """
    cells = max(votes.n_items, votes.n_workers * votes.classes) * votes.classes
    if cells > MOST_CELLS:
        raise DataError(
            f"{votes.n_items} images of {votes.classes} classes are too many for Dawid-Skene here"
        )
    said = _said(votes)
    weight = np.ones(votes.n_items) if weights is None else weights.astype(np.float64)
    weight = np.where(votes.per_item > 0, weight, 0.0)
    made = _first(votes, said, weight, prior) if start is None else start
    objective: list[float] = []
    converged = False
    for _ in range(most):
        posterior, evidence = _expect(votes, said, made)
        value = float(weight @ evidence) + _log_prior(made, prior)
        objective.append(value)
        made = _maximise(votes, said, posterior, weight, made.pseudo, prior)
        gained = value - objective[-2] if len(objective) > 1 else np.inf
        if gained <= tolerance * max(len(votes), 1):
            converged = True
            break
    posterior, evidence = _expect(votes, said, made)
    objective.append(float(weight @ evidence) + _log_prior(made, prior))
    return replace(made, posterior=posterior, objective=tuple(objective), converged=converged)


def _said(votes: Votes) -> sparse.csr_array:
    """Return [n_items, n_workers * classes]: 1 where this person said this of the image."""
    column = votes.workers * votes.classes + votes.labels
    shape = (votes.n_items, votes.n_workers * votes.classes)
    return sparse.csr_array((np.ones(len(votes)), (votes.items, column)), shape=shape)


def _first(votes: Votes, said: sparse.csr_array, weight: Floats, prior: Prior) -> Fit:
    """Begin at the shares of votes, and find out how all people together answer each class."""
    table = votes.table()
    posterior = table.toarray()
    posterior /= np.maximum(posterior.sum(axis=1, keepdims=True), 1.0)
    pseudo = np.full((votes.classes, votes.classes), prior.floor)
    if prior.crowd > 0:
        posterior, confusion = _as_one(table, posterior, weight, prior)
        pseudo = pseudo + prior.crowd * confusion
    return _maximise(votes, said, posterior, weight, pseudo, prior)


def _as_one(
    table: sparse.csr_array, posterior: Floats, weight: Floats, prior: Prior
) -> tuple[Floats, Floats]:
    """Return posterior and confusion matrix [truth, said] as if one person had answered all."""
    k = posterior.shape[1]
    confusion = np.eye(k)
    for _ in range(CROWD_STEPS):
        weighted = posterior * weight[:, None]
        counts = (table.T @ weighted).T + np.eye(k) + 1.0 / k
        confusion = counts / counts.sum(axis=1, keepdims=True)
        shares = weighted.sum(axis=0) + prior.share
        logs = table @ np.log(confusion).T + np.log(shares / shares.sum())
        following = np.exp(logs - logsumexp(logs, axis=1)[:, None]) if len(logs) else logs
        moved = float(np.abs(following - posterior).max(initial=0.0))
        posterior = following
        if moved < 1e-6:
            break
    return posterior, confusion


def _expect(votes: Votes, said: sparse.csr_array, made: Fit) -> tuple[Floats, Floats]:
    """Return (posterior of the truth, log evidence) of every image."""
    # [worker, truth, said] -> [worker * said, truth], what one answer says of each truth
    log_says = np.log(made.confusion).transpose(0, 2, 1).reshape(-1, votes.classes)
    logs = said @ log_says + np.log(made.shares)
    evidence = logsumexp(logs, axis=1) if len(logs) else np.empty(0)
    return np.exp(logs - evidence[:, None]), evidence


def _maximise(
    votes: Votes,
    said: sparse.csr_array,
    posterior: Floats,
    weight: Floats,
    pseudo: Floats,
    prior: Prior,
) -> Fit:
    k = votes.classes
    weighted = posterior * weight[:, None]
    counts = (said.T @ weighted).reshape(votes.n_workers, k, k).transpose(0, 2, 1) + pseudo
    shares = weighted.sum(axis=0) + prior.share
    return Fit(
        posterior=posterior,
        confusion=counts / counts.sum(axis=2, keepdims=True),
        shares=shares / shares.sum(),
        pseudo=pseudo,
    )


def _log_prior(made: Fit, prior: Prior) -> float:
    """Return the log density of the Dirichlet priors, up to a constant."""
    own = float((made.pseudo * np.log(made.confusion)).sum())
    return own + prior.share * float(np.log(made.shares).sum())


def expected_wrong(votes: Votes, made: Fit) -> Floats:
    """Return the probability that each answer is wrong [answers]."""
    right = made.posterior[votes.items, votes.labels]
    return np.asarray(1.0 - right)


def worker_errors(votes: Votes, made: Fit, *, confidence: float = 0.95) -> list[WorkerError]:
    """Return the error of each person; NaN where there is no answer to judge."""
    wrong = np.bincount(votes.workers, expected_wrong(votes, made), votes.n_workers)
    given = np.bincount(votes.workers, minlength=votes.n_workers)
    tail = (1.0 - confidence) / 2.0
    low = np.asarray(beta.ppf(tail, wrong + 0.5, given - wrong + 0.5))
    high = np.asarray(beta.ppf(1.0 - tail, wrong + 0.5, given - wrong + 0.5))
    return [
        WorkerError(int(n), float(w / n), float(lo), float(hi))
        if n
        else WorkerError(0, *(float("nan"),) * 3)
        for n, w, lo, hi in zip(given, wrong, low, high, strict=True)
    ]
