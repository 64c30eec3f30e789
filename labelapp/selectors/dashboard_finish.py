"""When is it done: labels done and still to buy, the pace, the date with its interval, in words."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext, ngettext

from labelapp import pricing
from labelapp.models import Project
from labelapp.pace import Finish, Pace, Range, finish
from labelapp.selectors.dashboard_facts import Facts
from labelapp.selectors.dashboard_figures import NONE, Figure, figure, missing_trainings, row
from labelapp.selectors.dashboard_people import Work, work_of
from labelapp.selectors.date_words import near_day_words
from labelapp.selectors.money_words import NBSP, chosen_share, duration, number

SOON = timedelta(hours=20)  # nearer ends are told in hours


def time_figure(facts: Facts, training_left: float | None = None) -> Figure:
    """Return when all is done; `training_left` are the seconds of a training that runs now."""
    label = gettext("Finished")
    if facts.finished:
        at = facts.run.finished if facts.run else None
        machine = number(facts.counter.machine)
        rows = [*_done_rows(facts), row("machine", gettext("Labels by the machine"), machine)]
        found = _card(facts, label, near_day_words(at) if at else NONE, rows=rows)
        return found | {"question": gettext("When was it done?")}
    labels = labels_left(facts)
    if labels is None:
        note = gettext("not started") if facts.run is None else missing_trainings(facts)
        return _card(facts, "", NONE, note=note, rows=_done_rows(facts))
    work = work_of(facts.project)
    if work.pace is None:
        rows = [*_label_rows(facts, labels), *_training_rows(facts, training_left)]
        note = gettext(
            "no pace now: nobody has labelled in the last hour, or on the days before today"
        )
        return _card(facts, "", NONE, note=note, rows=rows)
    return _dated(facts, labels, work, work.pace, training_left)


def labels_left(facts: Facts) -> Range | None:
    """Return how many answers people still give by the present plan, None before a forecast."""
    expected = expected_labels(facts)
    if expected is None:
        return None
    done = pricing.images_by_people(facts.counter)
    waiting = facts.batch.remaining if facts.batch else 0
    answers = answers_per_image(facts)
    left = [max(0.0, (total - done) * answers) for total in expected]
    return Range(*(max(float(waiting), value) for value in left))


def expected_labels(facts: Facts) -> tuple[float, float, float] | None:
    """Return how many images people will have labelled at the end, with its 80 % interval.

    Before the end: what the cheapest plan pays people for, the check of the machine with it; the
    interval is that of the total cost, since labels are nearly all of what is uncertain.
    """
    most = float(facts.n - facts.counter.excluded)
    if facts.certificate or facts.finished:
        exact = most - facts.counter.machine
        return exact, exact, exact
    plan, answer, total = facts.plan, facts.outlook.answer, facts.outlook.total
    if total is not None and total.kind == "rest":
        return most, most, most
    if answer is not None and total is not None:
        found = _by_engine(answer, most, kind=total.kind)
        least = float(pricing.images_by_people(facts.counter))
        return found[0], max(found[1], least), max(found[2], least)
    if not plan or not plan.get("grid_b") or not plan.get("human_only"):
        return None
    star, place = plan["c_star"], _cheapest(plan)
    price = float(plan["human_only"]) / facts.n
    labels = float(plan["grid_labels"][place]) / price
    least = float(pricing.images_by_people(facts.counter))
    low, high = (labels + (star[end] - star["value"]) / price for end in ("low80", "high80"))
    fit = [min(most, max(least, value)) for value in (labels, min(low, labels), max(high, labels))]
    return fit[0], fit[1], fit[2]


def _by_engine(answer: dict[str, Any], most: float, *, kind: str) -> tuple[float, float, float]:
    """Return the images that people will have labelled, as the engine expects it, with 80 %."""
    if kind == "stop":
        exact = most - float(answer["stop_machine"])
        return exact, exact, exact
    people = answer["people"]
    return float(people["value"]), float(people["low80"]), float(people["high80"])


def training_seconds(facts: Facts, running: float | None = None) -> float:
    """Return the seconds of training that the cheapest plan still has before it.

    Its trainings are on equal steps to the cheapest size; what one training on a size costs is in
    the plan, valued at the price of an hour. Where computing is free, as many trainings as are
    planned, each as long as the last. A training that runs now has its own clock.
    """
    if facts.certificate or facts.finished or not facts.plan:
        return 0.0
    total = facts.outlook.total
    if total is not None and total.kind != "plan":  # it stops: one more at most
        one = facts.outlook.seconds if total.kind == "stop" else 0.0
        return one if running is None else running
    steps = int(facts.plan.get("steps") or 0)
    last = facts.seconds[-1] if facts.seconds else 0.0
    price = float(facts.project.compute_price_per_hour)
    ahead = [last] * steps
    if price > 0 and facts.plan.get("grid_compute"):
        ahead = [dollars / price * 3600 for dollars in _training_costs(facts.plan, steps)]
    return sum(ahead) if running is None else sum(ahead[1:]) + running


def _training_costs(plan: dict[str, Any], steps: int) -> list[float]:
    """Return what each training of the plan costs: the grid has the cost of one on each size."""
    sizes, spent = plan["grid_b"], plan["grid_compute"]
    end = float(plan["b_opt"]["value"])
    ends = (sizes[0] + k / steps * (end - sizes[0]) for k in range(1, steps + 1))
    nearest = (min(range(1, len(sizes)), key=lambda i: abs(sizes[i] - at)) for at in ends)
    return [max(0.0, spent[i] - spent[0]) for i in nearest] if len(sizes) > 1 else []


def _cheapest(plan: dict[str, Any]) -> int:
    b_opt = float(plan["b_opt"]["value"])
    return min(range(len(plan["grid_b"])), key=lambda i: abs(plan["grid_b"][i] - b_opt))


def answers_per_image(facts: Facts) -> float:
    """Return how many answers an image is planned to get, at least one."""
    price = float(facts.project.price_per_label)
    return max(1.0, float(facts.label_price) / price) if price else float(facts.project.overlap)


def _dated(
    facts: Facts, labels: Range, work: Work, pace: Pace, training_left: float | None
) -> Figure:
    training = training_seconds(facts, training_left)
    now = timezone.now()
    found = finish(now, labels, training / 3600, pace, work.today_hours)
    text, unit = _when(found.at, now)
    note = gettext("if it goes on now") if facts.project.status == Project.Status.PAUSED else ""
    rows = [
        *_label_rows(facts, labels),
        row("pace", gettext("Pace"), _rate(pace), _basis(pace, work)),
        *_training_rows(facts, training_left),
    ]
    return _card(
        facts, gettext("Finished"), text, unit=unit, note=note, rows=rows, finish=_plain(found)
    ) | {"interval": _interval(found, now)}


def _plain(found: Finish) -> dict[str, str]:
    """Return the dates to the next ten minutes: a page that nothing happens to stays as it is."""
    return {"at": _tens(found.at), "low": _tens(found.low), "high": _tens(found.high)}


def _tens(moment: datetime) -> str:
    return (
        moment.replace(minute=moment.minute // 10 * 10, second=0, microsecond=0)
        + timedelta(minutes=10)
    ).isoformat()


def _interval(found: Finish, now: datetime) -> str:
    low, high = _span(found.low, now), _span(found.high, now)
    if found.high - now >= SOON:
        low, high = near_day_words(found.low), near_day_words(found.high)
    if low == high:
        return ""
    interval = gettext("%(low)s to %(high)s") % {"low": low, "high": high}
    return gettext("%(share)s sure: %(interval)s") % {
        "share": chosen_share(0.8),
        "interval": interval,
    }


def _span(at: datetime, now: datetime) -> str:
    return _about(at - now)


def _when(at: datetime, now: datetime) -> tuple[str, str]:
    """Return a near moment as "in 5 h", a far one as its day."""
    left = at - now
    if left < SOON:
        return gettext("in %(time)s") % {"time": _about(left)}, ""
    return near_day_words(at), gettext("in %(time)s") % {"time": _about(left)}


def _about(left: timedelta) -> str:
    """Return a span in steps that do not change each minute."""
    minutes = left.total_seconds() / 60
    if minutes < 90:
        return duration(300 * max(1, round(minutes / 5)))
    if minutes < 48 * 60:
        return gettext("%(n)s h").replace(" ", NBSP) % {"n": number(round(minutes / 60))}
    days = round(minutes / 1440)
    return ngettext("%(n)s day", "%(n)s days", days).replace(" ", NBSP) % {"n": number(days)}


def _label_rows(facts: Facts, labels: Range) -> list[dict[str, str]]:
    low, high = number(labels.low), number(labels.high)
    between = "" if low == high else gettext("%(low)s to %(high)s") % {"low": low, "high": high}
    return [
        *_done_rows(facts),
        row("to_buy", gettext("Still to buy"), number(labels.value), between),
    ]


def _done_rows(facts: Facts) -> list[dict[str, str]]:
    done = number(pricing.images_by_people(facts.counter))
    waiting = facts.batch.remaining if facts.batch else 0
    note = gettext("%(n)s left in the batch that is open") % {"n": number(waiting)}
    return [row("done", gettext("Labels by people"), done, note if waiting else "")]


def _training_rows(facts: Facts, training_left: float | None) -> list[dict[str, str]]:
    seconds = training_seconds(facts, training_left)
    if seconds < 1:
        return []
    return [row("training", gettext("Training still"), duration(seconds))]


def _rate(pace: Pace) -> str:
    return gettext("%(n)s an hour") % {"n": number(pace.per_hour)}


def _basis(pace: Pace, work: Work) -> str:
    """Say whose pace it is, and what it was learned from."""
    people = max(1, round(pace.people))
    words = {
        "people": ngettext("%(n)s person", "%(n)s people", people) % {"n": number(people)},
        "hours": number(pace.hours_per_day, 1),
        "days": number(pace.days),
    }
    if pace.assumed:
        return gettext("by %(people)s in the last hour; %(hours)s h a day assumed") % words
    if work.now:
        return gettext("by %(people)s in the last hour; %(hours)s h a day as before") % words
    return (
        ngettext(
            "by %(people)s, %(hours)s h on the last working day; nobody labels now",
            "by %(people)s, %(hours)s h a day, as on the last %(days)s working days; nobody "
            "labels now",
            pace.days,
        )
        % words
    )


def _card(
    facts: Facts, label: str, text: str, *, rows: list[dict[str, str]], **rest: Any
) -> Figure:
    done = pricing.images_by_people(facts.counter)
    expected = expected_labels(facts)
    meter = None
    if expected and not facts.finished:
        meter = {"value": done / max(expected[0], 1.0), "limit": 1}
    return figure(
        "time", gettext("When is it done?"), label, text, rows=rows, **({"meter": meter} | rest)
    )
