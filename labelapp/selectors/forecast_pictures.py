"""A few images behind each frequent mistake: what people called i and an unseeing model called j.

Out of sample: only models that had not seen the image. While the run goes on no test mark, audit
or gold image is among them (selectors.predictions is the gate). When it is finished audits and gold
are, and the test images still are not: a project can be opened again, and they measure it then.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path

from django.conf import settings

from labelapp.models import GoldItem, Iteration, Label, LabelBatch
from labelapp.selectors.browse_guess import hidden_of
from labelapp.selectors.forecast_facts import Facts
from labelapp.selectors.predictions import PURPOSES, Asked, Rows, showable

EACH = 6  # pictures per mistake
LOOKED = 2000  # labels that are looked at, per model

Pair = tuple[int, int]


def pictures(facts: Facts, pairs: Collection[Pair]) -> dict[Pair, list[int]]:
    """Return up to six images (by seq) of each of these confusions (people's, the machine's)."""
    found: dict[Pair, list[int]] = defaultdict(list)
    if facts.run is None or not pairs:
        return found
    trainings = Iteration.objects.filter(run=facts.run, model__isnull=False)
    for place, training in enumerate(trainings.select_related("model").order_by("-number")[:2]):
        assert training.model is not None
        guesses = _rows(Path(settings.MEDIA_ROOT) / training.model.folder / "pred.npy")
        if guesses is not None:
            labels = _unseen(facts, training.number, newest=place == 0, pairs=pairs)
            _add(found, _allowed(facts, _mistaken(labels, guesses, set(pairs))), set(pairs))
    return found


def _add(found: dict[Pair, list[int]], mistakes: list[tuple[Pair, int]], pairs: set[Pair]) -> None:
    for pair, seq in mistakes:
        if pair in pairs and len(found[pair]) < EACH and seq not in found[pair]:
            found[pair].append(seq)


def _rows(path: Path) -> Rows | None:
    try:
        return Rows(path)
    except (OSError, ValueError, KeyError, SyntaxError, struct.error):
        return None


def _unseen(facts: Facts, number: int, *, newest: bool, pairs: Collection[Pair]) -> list[Label]:
    """Return labels by people of images that joined B after this training, or never.

    What was asked for after training k names k as its iteration; of an earlier training those
    that the next one learnt from are left.
    """
    purposes = sorted(PURPOSES | {"audit"}) if facts.finished else sorted(PURPOSES)
    batches = LabelBatch.objects.filter(run=facts.run, purpose__in=purposes)
    batches = batches.filter(iteration__gte=number) if newest else batches.filter(iteration=number)
    labels = Label.objects.filter(
        batch__in=list(batches.values_list("pk", flat=True)),
        source=Label.Source.HUMAN,
        class_index__in={label for label, _pred in pairs},
    ).only("image_id", "seq", "class_index", "purpose")
    return list(labels[:LOOKED])


def _mistaken(labels: list[Label], guesses: Rows, pairs: set[Pair]) -> list[tuple[Pair, Label]]:
    """Return those that the model takes for another class in one of these ways."""
    known = [label for label in labels if label.seq < len(guesses)]
    found = [((one.class_index, int(guesses.row(one.seq)[0])), one) for one in known]
    return [(pair, label) for pair, label in found if pair in pairs]


def _allowed(facts: Facts, mistakes: list[tuple[Pair, Label]]) -> list[tuple[Pair, int]]:
    """Leave out what may not be shown with a guess: asked of the gate while the run goes on."""
    if facts.finished:
        hidden = hidden_of(facts.project, [label.image_id for _pair, label in mistakes[:500]])
        return [(p, label.seq) for p, label in mistakes[:500] if label.image_id not in hidden]
    labels = [label for _pair, label in mistakes]
    asked = [Asked(label.seq, label.image_id, label.purpose) for label in labels]
    free = set(showable(facts.project, asked))
    gold = GoldItem.objects.filter(image_id__in=[label.image_id for label in labels[:500]])
    known = set(gold.values_list("image_id", flat=True))
    return [
        (pair, label.seq)
        for pair, label in mistakes[:500]
        if label.seq in free and label.image_id not in known
    ]
