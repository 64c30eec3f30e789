"""Settings of a run under one name: how many labels first and per round, and how to train.

A preset fills in what the user leaves out; whatever is said beside it wins.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mcal_engine.errors import InvalidConfigError


@dataclass(frozen=True)
class Preset:
    """Sizes in images; None leaves the engine's own choice. `archs` race, the first one leads."""

    text: str
    archs: tuple[str, ...] = ()
    first: int | None = None
    fixed_delta: int | None = None
    training: dict[str, float] = field(default_factory=dict)


PRESETS: dict[str, Preset] = {
    "usual": Preset("1 % of the images first, batches by the plan, each network's own recipe"),
    "fewest_labels": Preset(
        "the small network against itself with consistency training: fewer labels, longer trainings",
        archs=("cnn_small", "cnn_small+semi"),
    ),
    "budget_annotator": Preset(
        "Gikunda's values: 10,000 labels first, 1,000 per round, 15 epochs, batch 32, rate 0.05",
        archs=(
            "densenet121+tuned",
            "googlenet+tuned",
            "resnet18+tuned",
            "squeezenet1_1+tuned",
            "inception_v3+tuned",
        ),
        first=10_000,
        fixed_delta=1_000,
        # The paper names no optimiser; SGD with momentum is the one that a rate of 0.05 is for.
        training={"epochs": 15, "min_steps": 1, "batch": 32, "learning_rate": 0.05, "sgd": 1},
    ),
}
"""Name -> preset. "Deep Active Learning with Budget Annotation", Sec. IV-A, names no ResNet's depth
and trains all with fine-tuned ImageNet weights (IV-B). `fewest_labels` is what whole runs found
cheapest (docs/benchmarks.md)."""


def preset(name: str) -> Preset:
    """Return the preset of this name. Raises `InvalidConfigError` that lists those there are."""
    if name not in PRESETS:
        raise InvalidConfigError(f"there is no preset {name!r}; there is: {', '.join(PRESETS)}")
    return PRESETS[name]
