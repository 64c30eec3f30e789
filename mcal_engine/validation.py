"""Check a run's settings before its first label, in words for the person who set it up."""

from __future__ import annotations

from mcal_engine import selection
from mcal_engine.errors import InvalidConfigError
from mcal_engine.types import CertificateKind, RunConfig


def validate(config: RunConfig) -> None:
    """Raise `InvalidConfigError` with a clear message if the settings make no sense."""
    for wrong, message in _complaints(config):
        if wrong:
            raise InvalidConfigError(message)


def _complaints(config: RunConfig) -> list[tuple[bool, str]]:
    prices, target = config.prices, config.target
    needed = selection.test_size(config) + selection.seed_size(config)
    names = ", ".join(sorted(selection.ACQUISITIONS))
    audit = target.certificate is CertificateKind.AUDIT
    return [
        (config.classes < 2, "at least two classes are needed"),
        (not 0 < target.epsilon < 1, f"epsilon must lie in (0, 1), not {target.epsilon}"),
        (not 0 < target.alpha < 1, f"alpha must lie in (0, 1), not {target.alpha}"),
        (not prices.label >= 0, "the price per label must not be negative"),
        (not prices.compute_per_hour >= 0, "the price per compute hour must not be negative"),
        (not 0 < config.test_share < 1, "the share of test images must lie in (0, 1)"),
        (not 0 < config.seed_share < 1, "the share of first labels must lie in (0, 1)"),
        (not 0 <= config.random_share <= 1, "the random share of a batch must lie in [0, 1]"),
        (config.max_rounds < 1, "at least one round is needed"),
        (config.n < max(needed, 10), f"{config.n} images are too few: {needed} are needed first"),
        (audit, "the audit certificate comes with step 2; use the test_set certificate"),
        (config.acquisition not in selection.ACQUISITIONS, f"acquisition must be one of: {names}"),
    ]
