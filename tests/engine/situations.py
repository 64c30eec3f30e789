"""Situations to plan from: an error law measured at a few sizes of B."""

from dataclasses import replace

from mcal_engine import guarantees, planner
from mcal_engine.types import CertificateKind, Criterion, Target
from tests.engine.support import config, record

SIZES = (100, 200, 300, 450, 675, 1000, 1500)
NOTHING = guarantees.Walk(None, 0, 0, (), ())


def law(b, theta):
    return 0.35 * (b / 100) ** -0.5 * theta**2


def accepted(size, index=10):
    return guarantees.Walk(index, size, 100, (), ())


def situation(
    rate=law, *, points=5, n=10_000, walk=NOTHING, scale=1, spent=0.0, more=None, **settings
):
    """Return certificate B's view after `points` trainings; `more` are the situation's fields."""
    records = tuple(
        record(b * scale, lambda t, b=b: rate(b, t), n=n, number=k + 1)
        for k, b in enumerate(SIZES[:points])
    )
    made = planner.Situation(
        config=config(n, classes=10, **settings),
        records=records,
        n=n,
        trained=records[-1].train_size,
        marked=records[-1].test_size,
        spent=spent,
        walk=walk,
    )
    return replace(made, **(more or {}))


def aimed(now, *, criterion=Criterion.OVERALL, certificate=CertificateKind.TEST_SET, **target):
    """Return the situation with another target."""
    old = now.config.target
    target = Target(
        target.get("epsilon", old.epsilon),
        target.get("alpha", old.alpha),
        criterion,
        certificate,
        target.get("budget"),
    )
    return replace(now, config=replace(now.config, target=target))


def audited(rate=law, *, budget=None, **options):
    """Return certificate A's view."""
    now = situation(rate, **options)
    return aimed(now, certificate=CertificateKind.AUDIT, budget=budget)
