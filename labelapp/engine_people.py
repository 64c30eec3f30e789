"""The second bridge to mcal_engine: people's answers -> agreement, consensus, error, promise.

Plain values in, plain values out; NumPy and the engine are imported inside the functions, so a
web process that only shows a stored report never loads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelapp.people_facts import Decided, Facts, Person, Scored, VoteRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcal_engine.people.agreement import Coefficient
    from mcal_engine.people.human_error import HumanError
    from mcal_engine.people.votes import Votes

VERSION = 1
MOST_CONFUSIONS = 20
OVERLAP_OF = ("labels", "answers")


class UnusableError(Exception):
    """These answers cannot be put together in this way; the message says why."""


def review_size(
    *, population: int, expected: float = 0.05, half_width: float = 0.02, confidence: float = 0.95
) -> int:
    """Return how many of `population` labels a reviewer must look at for this interval.

    `expected` is the share of wrong ones believed beforehand. Raises UnusableError for an empty
    population or shares outside 0 to 1.
    """
    from mcal_engine.errors import DataError  # noqa: PLC0415
    from mcal_engine.people import sample_size  # noqa: PLC0415

    try:
        return sample_size.review_size(
            population, expected=expected, wanted=half_width, confidence=confidence
        )
    except DataError as error:
        raise UnusableError(str(error)) from error


def clopper_pearson(*, right: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided interval of a share of right answers; (0, 1) for none."""
    from mcal_engine.people.human_error import clopper_pearson as exact  # noqa: PLC0415

    return exact(right, n, confidence=confidence)[:2] if n else (0.0, 1.0)


# --- consensus -----------------------------------------------------------------------------------


def decide(
    rows: VoteRows, *, method: str, class_count: int, scored: Scored | None = None
) -> list[Decided]:
    """Return the label of every image that occurs in `rows`, by its number.

    CROWDLAB needs `scored`; the images that its model was trained on get Dawid-Skene's label: a
    model that learnt an answer is no second opinion on it. Raises UnusableError.
    """
    from mcal_engine.errors import DataError  # noqa: PLC0415
    from mcal_engine.people import consensus  # noqa: PLC0415

    if not rows.images:
        return []
    try:
        images, votes = _votes(rows, class_count)
        if method == "crowdlab":
            found = _crowdlab(images, votes, scored)
        else:
            found = consensus.consensus(consensus.Method(method), votes)
    except (DataError, OSError) as error:
        raise UnusableError(str(error)) from error
    columns = (found.labels, found.votes, found.agreement)
    return [
        Decided(int(image), int(label), int(count), float(share))
        for image, label, count, share in zip(images, *columns, strict=True)
    ]


def _votes(rows: VoteRows, class_count: int) -> tuple[Any, Votes]:
    """Return the images' numbers in ascending order, and the answers numbered densely."""
    import numpy as np  # noqa: PLC0415

    from mcal_engine.people.votes import votes  # noqa: PLC0415

    images, item = np.unique(np.asarray(rows.images, dtype=np.int64), return_inverse=True)
    people, worker = np.unique(np.asarray(rows.people, dtype=np.int64), return_inverse=True)
    label = np.asarray(rows.classes, dtype=np.int64)
    # the last of each person and image: the first from behind
    pair = (item * max(len(people), 1) + worker)[::-1]
    kept = len(pair) - 1 - np.unique(pair, return_index=True)[1]
    kept.sort()
    sizes = {"n_items": len(images), "n_workers": len(people), "classes": max(class_count, 2)}
    return images, votes(item[kept], worker[kept], label[kept], **sizes)


def _crowdlab(images: Any, votes: Votes, scored: Scored | None) -> Any:
    import numpy as np  # noqa: PLC0415

    from mcal_engine.people import consensus  # noqa: PLC0415

    if scored is None:
        raise UnusableError("CROWDLAB needs a model that has scored the images")
    table = np.load(scored.probs, mmap_mode="r", allow_pickle=False)
    if table.ndim != 2 or table.shape[0] <= int(images.max()):
        raise UnusableError("the newest model has not scored all of these images")
    fresh = np.array([int(image) not in scored.trained_on for image in images])
    found = consensus.consensus(consensus.Method.DAWID_SKENE, votes)
    if not fresh.any():
        return found
    known = np.asarray(table[images[fresh]], dtype=np.float64)
    known = np.pad(known, ((0, 0), (0, max(votes.classes - known.shape[1], 0))))
    weighed = consensus.crowdlab(votes.only(fresh), known)
    for name in ("labels", "agreement", "confidence"):
        getattr(found, name)[fresh] = getattr(weighed, name)
    return found


# --- the report ----------------------------------------------------------------------------------


def report(facts: Facts) -> dict[str, Any]:
    """Return the people's part of a promise as plain JSON values (docs/people.md)."""
    from mcal_engine.people import dawid_skene  # noqa: PLC0415
    from mcal_engine.people.human_error import best, from_overlap  # noqa: PLC0415

    images, votes = _votes(facts.votes, facts.class_count)
    fitted = _fitted(votes)
    errors = {} if fitted is None else _by_user(facts, dawid_skene.worker_errors(votes, fitted))
    measured = [*_reviewed(facts), *_golden(facts)]
    if fitted is not None:
        overlap = (from_overlap(votes, of=of, confidence=facts.confidence) for of in OVERLAP_OF)
        measured += [one for one in overlap if one is not None]
    sources = best(measured)
    others = _with_others(facts, votes)
    return {
        "version": VERSION,
        "confidence": facts.confidence,
        "classes": {str(index): name for index, name in facts.classes.items()},
        "people": [_person(one, facts, others, errors) for one in facts.people],
        "agreement": _agreement(facts, votes, len(images)),
        "human_error": {
            "sources": [_source(one) for one in sources],
            "best": 0 if sources else None,
        },
        "combined": _combined(facts, sources),
        **facts.also,
    }


def _fitted(votes: Votes) -> Any:
    from mcal_engine.errors import DataError  # noqa: PLC0415
    from mcal_engine.people import dawid_skene  # noqa: PLC0415

    if not len(votes):
        return None
    try:
        return dawid_skene.fit(votes)
    except DataError:  # too many images of too many classes: the rest of the report stands
        return None


def _users(facts: Facts) -> list[int]:
    """Return the user of each of the people's numbers in the answers."""
    return sorted(set(facts.votes.people))


def _by_user(facts: Facts, errors: Sequence[Any]) -> dict[int, dict[str, Any]]:
    return {
        user: {"n": one.answers, **_rounded(error=one.error, low=one.low, high=one.high)}
        for user, one in zip(_users(facts), errors, strict=True)
    }


def _person(
    one: Person,
    facts: Facts,
    others: dict[int, dict[str, Any]],
    errors: dict[int, dict[str, Any]],
) -> dict[str, Any]:
    return {
        "user": one.user,
        "name": one.name,
        "answers": one.answers,
        "gold": _gold(one, facts.confidence),
        "confusion": _confusion(one),
        "agreement": others.get(one.user),
        "estimated": errors.get(one.user),
    }


def _gold(one: Person, confidence: float) -> dict[str, Any] | None:
    n = len(one.gold)
    if not n:
        return None
    right = sum(truth == given for truth, given in one.gold)
    low, high = clopper_pearson(right=right, n=n, confidence=confidence)
    return {"n": n, "right": right, **_rounded(accuracy=right / n, low=low, high=high)}


def _confusion(one: Person) -> list[dict[str, int]]:
    wrong: dict[tuple[int, int], int] = {}
    for truth, given in one.gold:
        if truth != given:
            wrong[truth, given] = wrong.get((truth, given), 0) + 1
    worst = sorted(wrong.items(), key=lambda row: (-row[1], row[0]))[:MOST_CONFUSIONS]
    return [{"truth": t, "given": g, "count": count} for (t, g), count in worst]


def _with_others(facts: Facts, votes: Votes) -> dict[int, dict[str, Any]]:
    """Return by user how often their answer was the same as another person's to one image."""
    from mcal_engine.people.agreement import same_shares  # noqa: PLC0415

    found = {}
    for user, pairs, same in zip(_users(facts), *same_shares(votes), strict=True):
        if pairs:
            n, alike = int(pairs), int(same)
            low, high = clopper_pearson(right=alike, n=n, confidence=facts.confidence)
            found[user] = {"n": n, "same": alike, **_rounded(share=alike / n, low=low, high=high)}
    return found


def _agreement(facts: Facts, votes: Votes, items: int) -> dict[str, Any]:
    from mcal_engine.people import agreement  # noqa: PLC0415

    users, confidence = _users(facts), facts.confidence
    return {
        "items": items,
        "answers": len(votes),
        "fleiss": _coefficient(agreement.fleiss(votes, confidence=confidence)),
        "alpha": _coefficient(agreement.krippendorff(votes, confidence=confidence)),
        "pairs": [
            {"a": users[pair.a], "b": users[pair.b], **_coefficient(pair.kappa)}
            for pair in agreement.cohen_pairs(votes, confidence=confidence)
        ],
    }


def _coefficient(found: Coefficient) -> dict[str, Any]:
    numbers = _rounded(value=found.value, low=found.low, high=found.high)
    return {**numbers, "items": found.items, "why": found.why}


def _reviewed(facts: Facts) -> list[HumanError]:
    from mcal_engine.people.human_error import Source, from_review  # noqa: PLC0415

    return [
        from_review(
            Source(sample.source),
            population=sample.population,
            n=sample.n,
            wrong=sample.wrong,
            confidence=facts.confidence,
        )
        for sample in facts.samples
        if sample.n
    ]


def _golden(facts: Facts) -> list[HumanError]:
    from mcal_engine.people.human_error import from_gold  # noqa: PLC0415

    pairs = [pair for person in facts.people for pair in person.gold]
    if not pairs:
        return []
    wrong = sum(truth != given for truth, given in pairs)
    return [from_gold(n=len(pairs), wrong=wrong, confidence=facts.confidence)]


def _source(one: HumanError) -> dict[str, Any]:
    return {
        "source": one.source.value,
        "of": one.of,
        "kind": "bound" if one.bound else "estimated",
        "covers": one.covers.value,
        "n": one.n,
        "wrong": round(float(one.wrong), 3),
        "population": one.population,
        **_rounded(share=one.share, low=one.low, high=one.high, upper=one.upper),
    }


def _combined(facts: Facts, sources: Sequence[HumanError]) -> dict[str, Any] | None:
    from mcal_engine.people import combined  # noqa: PLC0415

    promise = facts.promise
    if promise is None:
        return None
    people = sources[0] if sources else None
    corrected = next(
        (s.corrected for s in facts.samples if people and s.source == people.source), 0
    )
    found = combined.combined(
        images=facts.images,
        excluded=facts.excluded,
        machine=combined.Machine(
            promise.promise, promise.labels, promise.wrong_at_most, promise.confidence
        ),
        people=people,
        corrected=corrected,
        confidence=facts.confidence,
    )
    return {
        "images": found.images,
        "excluded": found.excluded,
        "machine": _share(promise.wrong_at_most, facts.images)
        | {"promise": promise.promise, "labels": promise.labels, "confidence": promise.confidence},
        "people": _people_part(facts, people, found.people_wrong_at_most),
        "together": _together(found.together),
        "missing": found.missing.value,
    }


def _people_part(facts: Facts, people: HumanError | None, wrong: int | None) -> Any:
    if people is None or wrong is None:
        return None
    kind = "bound" if people.bound else "estimated"
    part = {"source": people.source.value, "kind": kind, "confidence": facts.confidence}
    return _share(wrong, people.population or facts.images) | part


def _together(found: Any) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "wrong_at_most": found.wrong_at_most,
        "kind": "bound" if found.bound else "estimated",
        **_rounded(share=found.share, confidence=found.confidence),
    }


def _share(wrong: int, of: int) -> dict[str, Any]:
    return {"wrong_at_most": wrong, **_rounded(share=wrong / max(of, 1))}


def _rounded(**values: float | None) -> dict[str, float | None]:
    """Return numbers as JSON takes them: six digits, None for what is not a number."""
    return {
        name: None if value is None or value != value else round(float(value), 6)  # noqa: PLR0124
        for name, value in values.items()
    }
