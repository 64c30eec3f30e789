"""What can be asked of a run now, and what each of it would mean: in images and in money.

The figures are the engine's, from its last training (`labelapp.engine_ending`), the ledger's
counters and the run's price per image. Before the first training there is no forecast, and the
words say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.db.models import QuerySet

from labelapp import pricing
from labelapp.engine_ending import Ending, ending
from labelapp.models import (
    Import,
    Iteration,
    Label,
    LabelBatch,
    LedgerEntry,
    Project,
    ProjectCounter,
    Run,
    SteeringAction,
)
from labelapp.selectors.outlook import Outlook, Rows, State, outlook, state_parts

ENDING = ("machine", "residual", "finished")
"""Phases of a run in which the machine labels are chosen."""
WISHES = ("stop", "audit", "by_hand")
HISTORY = 20
FIRST = 1000  # images: what adding so many would cost


@dataclass(frozen=True)
class Known:
    """The rows that everything here is made from."""

    project: Project
    counter: ProjectCounter
    run: Run | None  # without its state
    phase: str  # of the engine: test, seed, train, label, topup, audit, residual, finished
    batch: LabelBatch | None  # that the run waits for
    last: Iteration | None
    rows: Rows | None = None

    @cached_property
    def outlook(self) -> Outlook:
        """What every page says of what is to come; computed when it is asked for."""
        return Outlook() if self.rows is None else outlook(self.rows)

    @property
    def version(self) -> int:
        """The run's version, to be named when something is asked."""
        return self.run.version if self.run else 0

    @property
    def price(self) -> Decimal:
        """What one image costs, all its answers included."""
        prices = self.run.config.get("prices", {}) if self.run else {}
        return pricing.as_planned(self.project, prices.get("label"))

    @property
    def spent(self) -> Decimal:
        """What the project has cost so far."""
        return self.counter.label_spend + self.counter.compute_spend

    @property
    def n(self) -> int:
        """The images of the run that people could label."""
        return (self.run.n if self.run else self.counter.images) - self.counter.excluded

    @property
    def left(self) -> int:
        """The images that have no label of anybody."""
        return max(self.n - pricing.images_by_people(self.counter) - self.counter.machine, 0)

    @property
    def archs(self) -> list[str]:
        """The networks that train, by the project's settings."""
        return [self.project.arch, *self.project.rivals]

    @property
    def waiting_images(self) -> int:
        """Images that came since the run took images in."""
        return max(self.counter.images - self.run.n, 0) if self.run else 0

    @property
    def training_price(self) -> Decimal | None:
        """What one network's last training cost; None before the first."""
        if self.last is None:
            return None
        return Decimal(self.last.dollars / max(1 + len(self.last.others), 1))


def gather(project: Project) -> Known:
    """Read what the page needs: four narrow queries, one more after a change."""
    counter = ProjectCounter.objects.get(project=project)
    found = Run.objects.defer("state").annotate(**state_parts())
    run = found.filter(project=project).first()
    if run is None:
        return Known(project, counter, None, "", None, None)
    state = State.of(run)
    last = run.iterations.defer("histogram", "profile").order_by("-number").first()
    batch = run.batches.filter(request_id=run.waiting_for).first()
    newest = [last.record, *last.others] if last else []
    stored = last.plan if last else None
    rows = Rows(project, counter, run, state, newest, stored, _open(batch))
    return Known(project, counter, run, state.phase, batch, last, rows)


def _open(batch: LabelBatch | None) -> LabelBatch | None:
    return batch if batch is not None and batch.state == LabelBatch.State.OPEN else None


# --- consequences -------------------------------------------------------------------------------


def consequence(known: Known, what: str) -> dict[str, Any]:
    """Return what an action means in figures, ready for JSON: money as text in the currency.

    `total` is the final cost if it is done, `now` what of it is still to pay; None where nothing
    can be said yet. `machine` images keep a machine label, `people` are still asked.
    """
    said: dict[str, Any] = {"spent": _plain(known.spent), "total": None, "now": None}
    if known.run is None:
        return said
    if what in {"stop", "audit"}:
        found = _ending(known, audited=what == "audit")
        return said if found is None else said | _of_ending(known, found)
    if what == "by_hand":
        rest = known.left * known.price + _running(known)
        people = {"people": known.left, "machine": 0}
        return said | people | {"now": _plain(rest), "total": _plain(known.spent + rest)}
    if what == "methods":
        return said | {"training": _plain(known.training_price)}
    if what == "classes":
        tests = known.counter.test
        return said | {"test": tests, "test_cost": _plain(tests * known.price)}
    if what == "reopen":
        most = (known.counter.machine + known.waiting_images) * known.price
        return said | {
            "machine": known.counter.machine,
            "people": known.waiting_images,
            "now": _plain(known.training_price),
            "total": _plain(known.spent + most),
        }
    return said


def _ending(known: Known, *, audited: bool) -> Ending | None:
    """Return what the last training would deliver; None before the first, or for old states."""
    if known.run is None or known.last is None:
        return None
    return ending(known.run, known.project, audited=audited or None)


def _running(known: Known) -> Decimal:
    """Return what the training that runs now will cost, about."""
    running = known.run is not None and known.run.request_kind == "train"
    return Decimal(str(known.outlook.training)) if running else Decimal(0)


def _of_ending(known: Known, found: Ending) -> dict[str, Any]:
    """Return an ending in figures; the training that it still needs is part of what is to pay."""
    training = Decimal(str(known.outlook.training))
    machine = min(found.machine, known.left)  # people have labelled the others by now
    total = Decimal(str(found.cost)) + training + (found.machine - machine) * known.price
    return {
        "training": _plain(training),
        "total": _plain(total),
        "now": _plain(max(total - known.spent, Decimal(0))),
        "machine": machine,
        "audit": found.audit,
        "audit_cost": _plain(found.audit * known.price),
        "people": known.left - machine,
        "error": found.error,
    }


def going_on(known: Known) -> dict[str, Any] | None:
    """Return the forecast of going on, to compare with; None where there is none."""
    return known.outlook.plan["c_star"] if known.outlook.plan else None


def image_share(known: Known) -> tuple[int, Decimal] | None:
    """Return the test labels that `FIRST` more images would need, and what they cost.

    T is as dense among new images as among those that nobody has labelled.
    """
    if known.run is None or not known.counter.test:
        return None
    open_ones = known.left + known.counter.test
    marks = round(FIRST * known.counter.test / max(open_ones, 1))
    return marks, marks * known.price


def _plain(amount: Decimal | None) -> str | None:
    return None if amount is None else str(round(amount, 6))


# --- what may be asked --------------------------------------------------------------------------


def obstacle(known: Known, what: str) -> str:
    """Return why this cannot be asked now, as a name that the page has words for; or nothing."""
    run, ends = known.run, known.phase in ENDING
    if known.project.archived_at is not None:
        return "archived"
    if run is None:
        return "not_started"
    if what == "reopen":
        return "" if run.finished is not None else "not_finished"
    if run.finished is not None:
        return "" if what == "images" else "finished"
    if what == "pause":
        return ""
    if ends:
        return "chosen"
    if what in WISHES and run.wish == what:
        return "asked"
    if what == "audit" and known.project.certificate == "audit":
        return "audited"
    if what in {"methods", "classes"} and known.phase == "audit":
        return "frozen"
    return ""


# --- what was asked -----------------------------------------------------------------------------


def history(project: Project) -> list[SteeringAction]:
    """Return the last actions, the newest first."""
    rows = SteeringAction.objects.filter(project=project).select_related("user", "undone_by")
    return list(rows.defer("before").order_by("-pk")[:HISTORY])


def undoable(known: Known, actions: list[SteeringAction]) -> tuple[int | None, str]:
    """Return which action can be undone, and why the newest cannot where none can.

    Only the newest that stands, and until it has spent money. Images that were added stand
    beside the others (`undoable_images`).
    """
    others = (one for one in actions if one.undone_at is None and one.action != "images")
    newest = next(others, None)
    if newest is None or known.run is None:
        return None, ""
    why = too_late(known, newest)
    return (None, why) if why else (newest.pk, "")


def undoable_images(known: Known, actions: list[SteeringAction]) -> tuple[int | None, str]:
    """Return which addition of images can be taken out again, and why the newest cannot."""
    rows = (one for one in actions if one.undone_at is None and one.action == "images")
    newest = next(rows, None)
    if newest is None or known.run is None:
        return None, ""
    why = "archived" if known.project.archived_at is not None else ""
    why = why or images_too_late(known.run, newest, known.counter.images)
    return (None, why) if why else (newest.pk, "")


def images_too_late(run: Run, action: SteeringAction, images: int) -> str:
    """Return why added images stay, as a name: they have joined, or others are coming in."""
    first, count = int(action.params["first"]), int(action.params["count"])
    if run.n > first:
        return "joined"
    live = (Import.State.WAITING, Import.State.RUNNING)
    going = Import.objects.filter(project_id=run.project_id, state__in=live).exists()
    return "importing" if going or images != first + count else ""


def too_late(known: Known, action: SteeringAction) -> str:
    """Return why this action stands for good, as a name; empty where it can be undone."""
    run = known.run
    if run is None or known.project.archived_at is not None:
        return "archived"
    if action.action in WISHES:
        if run.finished is not None:
            return "finished"
        spent = _spent_since(known, action).filter(purpose__in=("audit", "residual"))
        return "spent" if spent.exists() else ""
    if action.action == "reopen" and _spent_since(known, action).exists():
        return "spent"
    if action.action in {"methods", "reopen"}:
        return "" if run.waiting_for == action.params.get("waiting_for") else "moved"
    if action.action == "classes":
        return _class_too_late(known, action)
    return "for_good"


def _class_too_late(known: Known, action: SteeringAction) -> str:
    """A class goes again while no label has it, a merge until the next step."""
    if action.params.get("what") == "merged":
        same = known.run is not None and known.run.waiting_for == action.params.get("waiting_for")
        return "" if same else "moved"
    given = Label.objects.filter(project=known.project, class_index=action.params.get("index"))
    return "spent" if given.exists() else ""


def _spent_since(known: Known, action: SteeringAction) -> QuerySet[LedgerEntry]:
    return LedgerEntry.objects.filter(project=known.project, created__gte=action.created)


def machine_labels(project: Project) -> list[tuple[int, int, float | None]]:
    """Return number, class and margin of every machine label, by number."""
    rows = Label.objects.filter(project=project, source=Label.Source.MACHINE)
    return list(rows.order_by("seq").values_list("seq", "class_index", "confidence"))
