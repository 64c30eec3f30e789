"""A decision in one plain English sentence, from its facts.

The facts are numbers and the names below; whoever has readers of another language or currency
makes their own sentence from them. `Facts` has only the keys that `why` needs:

- `images` joins training because ... `fixed` (this run's batch), `forecast` (`trainings` are
  missing), `sure` (to make sure, since `reason`), `budget` (`error` instead of `error_now` once
  `to` images are trained on), `early` (before `to` trainings no plan is trusted to stop), `open`
  (nothing can be machine-labelled yet), `saves` (`dollars`, with `more` machine labels, by
  training on `to`);
- it stops since `reason`: `by_hand` (people label the rest), `forced` (the money leaves `machine`
  labels and `error`), `machine` (the machine labels `machine`).
"""

from __future__ import annotations

from typing import TypeAlias

Facts: TypeAlias = dict[str, str | float]


def sentence(facts: Facts) -> str:
    """Say what was decided and why, to be read after "The engine"."""
    if "images" in facts:
        return f"adds {images(int(facts['images']))} to training{_because(facts)}"
    reason = facts["reason"]
    if facts["why"] == "by_hand":
        return f"stops: {reason}, people label the rest"
    left = images(int(facts["machine"]))
    if facts["why"] == "forced":
        return (
            f"stops: {reason}; the money leaves {left} to the machine "
            f"and an expected error of {float(facts['error']):.1%} of all images"
        )
    return f"stops and lets the machine label {left}: {reason}"


def _because(facts: Facts) -> str:
    why = facts["why"]
    if why == "fixed":
        return ", the fixed batch of this run"
    if why == "forecast":
        return f" because a forecast needs {more(int(facts['trainings']), 'training')}"
    if why == "sure":
        return f" to make sure before it stops, since {facts['reason']}"
    if why == "early":
        return f" to make sure, since it stops after {int(facts['to'])} trainings at the earliest"
    if why == "open":
        return " because nothing can be machine-labelled yet and the curves may still fall"
    on = f" because training on {float(facts['to']):,.0f} is expected to"
    if why == "budget":
        error, now = float(facts["error"]), float(facts["error_now"])
        return f"{on} leave {error:.1%} of all images wrong within the budget, against {now:.1%}"
    gain = int(facts["more"])
    machine = f" let the machine label {more(gain, 'image')} than now and" if gain > 0 else ""
    return f"{on}{machine} save ${float(facts['dollars']):,.2f}"


def more(count: int, noun: str) -> str:
    """Return "1 more image" or "1,234 more images"."""
    return f"{count:,} more {noun}{'' if count == 1 else 's'}"


def images(count: int) -> str:
    """Return "1 image" or "1,234 images"."""
    return f"{count:,} image{'' if count == 1 else 's'}"
