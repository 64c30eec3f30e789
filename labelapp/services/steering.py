"""Steer a run: stop and certify, buy the audit, label the rest by people, other networks; undo.

Each action names the version of the run that its consequence was computed for, is written in one
transaction that begins with a conditional update of that version, and leaves a SteeringAction
with what was said. Nothing bought is lost: images that leave a batch had no answer yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from labelapp import engine_steering, events, queue
from labelapp.engine import RefusedError, TooLateError
from labelapp.errors import ConflictError, ForbiddenError, InvalidInputError, RunMovedError
from labelapp.models import Job, Project, Run, SteeringAction
from labelapp.rights import Right
from labelapp.selectors import steering as found
from labelapp.selectors.projects import Access
from labelapp.selectors.steering_reasons import OBSTACLES, TOO_LATE
from labelapp.selectors.stored_words import stored_words
from labelapp.services import ahead, audit, runs
from labelapp.services.leases import one_writer
from labelapp.services.steering_cut import Cut, cut
from labelapp.services.terms import Method
from labelapp.services.training_settings import BETWEEN_ROUNDS, TrainingSettings

State = dict[str, Any]
STOPS = ("stop", "audit")
_KEPT = ("state", "attempt")  # for the undo: nothing that people read


@dataclass(frozen=True)
class Methods:
    """What can change about how a run works: names of labelapp.choices, and the last training.

    Of how candidates train only what no error curve was measured with
    (`training_settings.BETWEEN_ROUNDS`); None is the usual value.
    """

    arch: str
    rivals: tuple[str, ...]
    acquisition: str
    certainty: str
    max_rounds: int | None = None
    fixed_delta: int | None = None
    neighbours: int | None = None
    representativeness: float | None = None
    uncertainty: float | None = None
    members_gib: float | None = None

    @classmethod
    def of(cls, project: Project) -> Methods:
        """Return the methods that a project has."""
        rounds = project.settings.get("max_rounds")
        values = TrainingSettings.of(project.settings).values()
        return cls(
            project.arch,
            tuple(project.rivals),
            project.acquisition,
            project.certainty,
            None if rounds is None else int(rounds),
            **{name: values.get(name) for name in BETWEEN_ROUNDS},
        )

    def check(self, images: int | None = None) -> dict[str, str]:
        """Return what is wrong, by field; `images` is how many the run has, where it is known."""
        rivals = self.rivals
        method = Method(
            arch=self.arch, rivals=rivals, acquisition=self.acquisition, certainty=self.certainty
        )
        wrong = method.check() | TrainingSettings.from_values(self._between_rounds()).check(images)
        if self.max_rounds is not None and not 1 <= self.max_rounds <= 1000:
            wrong["max_rounds"] = _("The number of trainings must lie between 1 and 1,000.")
        return wrong

    def _between_rounds(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in BETWEEN_ROUNDS}

    def put(self, project: Project) -> dict[str, Any]:
        """Put the methods into this copy of the project; return the columns that hold them."""
        kept = {k: v for k, v in project.settings.items() if k != "max_rounds"}
        settings = TrainingSettings.of(kept).later(**self._between_rounds()).into(kept)
        if self.max_rounds is not None:
            settings["max_rounds"] = self.max_rounds
        values = {
            "arch": self.arch,
            "rivals": list(self.rivals),
            "acquisition": self.acquisition,
            "certainty": self.certainty,
            "settings": settings,
        }
        for name, value in values.items():
            setattr(project, name, value)
        return values


# --- stop, audit, by hand -----------------------------------------------------------------------


def ask(*, access: Access, what: str, version: int) -> SteeringAction:
    """Ask the run for an end: `stop`, `audit` or `by_hand`. People are asked for less at once.

    `stop` and `audit` close the open training batch by a prefix that is blind to the test marks,
    train on all of B once more, and certify. `by_hand`: the machine labels nothing.

    Raises ForbiddenError, RunMovedError, ConflictError with the reason.
    """
    known, run = ready(access, what, version)
    said = found.consequence(known, what)
    before: State = {"wish": run.wish, "certificate": run.project.certificate}
    before["attempt"] = engine_steering.attempt_of(run)
    state = computed(lambda: engine_steering.asked(run, what))
    with one_writer():
        claim(run, state, wish=what)
        if what == "audit":
            Project.objects.filter(pk=run.project_id).update(certificate="audit")
        left = cut(run) if what in STOPS and run.request_kind == "label" else Cut()
        action = write(access, run, what, before=before, said=said, params={"left": left.images})
        go_on(run, left, {"action": what, "id": action.pk})
    if what in STOPS and run.request_kind == "train":
        ahead.close(run)  # nobody is asked for more of what no training will see
    access.project.refresh_from_db()
    return action


def ready(access: Access, what: str, version: int, job: int = 0) -> tuple[found.Known, Run]:
    """Return what is known and the run, if this can be asked now of this version.

    `job` is the one that asks, where a job does: it stands in nobody's way but its own.
    """
    if not access.may(Right.STEER):
        raise ForbiddenError(_("Your role in this project does not allow this."))
    known = found.gather(access.project)
    check_free(access.project, job)
    if why := found.obstacle(known, what):
        raise ConflictError(_(OBSTACLES[why]))
    run = Run.objects.select_related("project").get(project_id=access.project.pk)
    if run.version != version:
        raise moved()
    return known, run


def check_free(project: Project, job: int = 0) -> None:
    """Raise ConflictError while another step of steering is being done (steering_jobs)."""
    going = Job.objects.filter(project=project, kind="steer", state__in=queue.LIVE)
    if going.exclude(pk=job).exists():
        raise ConflictError(_(OBSTACLES["working"]))


def lock_batches(run: Run) -> None:
    """Lock all batches of the run, as answers do first: none is on its way behind this."""
    rows = run.batches.select_for_update(of=("self",)).order_by("pk")
    list(rows.values_list("pk", flat=True))


def moved() -> RunMovedError:
    """Return the error for what was decided on figures that are not the newest."""
    return RunMovedError(
        _("The run has moved on since you looked. Here is what it would mean now; decide again.")
    )


def computed(ask_engine: Callable[[], State]) -> State:
    """Return the engine's answer, its refusals in words."""
    try:
        return ask_engine()
    except RefusedError as error:
        text = _("These settings cannot be used: %(error)s.")
        raise InvalidInputError(text % {"error": stored_words(str(error))}) from error
    except TooLateError as error:
        text = _("Too late: %(error)s.")
        raise ConflictError(text % {"error": stored_words(str(error))}) from error


def claim(run: Run, state: State, **values: Any) -> None:
    """Write the run's new state; raise RunMovedError if a step came in between.

    Locks the project after the run, before batches and the counter, as steps do.
    """
    unchanged = Run.objects.filter(pk=run.pk, version=run.version)
    config = state["state"]["config"]
    if not unchanged.update(state=state, config=config, version=run.version + 1, **values):
        raise moved()
    Project.objects.select_for_update(no_key=True).get(pk=run.project_id)
    run.refresh_from_db()


def write(
    access: Access,
    run: Run,
    action: str,
    *,
    before: dict[str, Any],
    said: dict[str, Any],
    params: dict[str, Any],
) -> SteeringAction:
    """Keep what was done: for the history, the undo, and the audit log."""
    spent = found.gather(run.project).spent
    row = SteeringAction.objects.create(
        project=run.project,
        user=access.user,
        action=action,
        params=params,
        said=said,
        before=before,
        version=run.version,
        spent=spent,
    )
    audit.write(
        user=access.user,
        project=run.project,
        action="run.steered",
        target=action,
        before={name: value for name, value in before.items() if name not in _KEPT},
        after={**params, "said": said},
    )
    return row


def go_on(run: Run, left: Cut, payload: dict[str, Any]) -> None:
    """Wake the engine if it has something to do, then tell: the last of a transaction."""
    runs.ensure_job(run)
    if left.closed is not None:
        events.record(run.project_id, "batch.closed", left.closed)
    events.record(run.project_id, "run.steered", payload)


# --- networks and methods -----------------------------------------------------------------------


def change_methods(*, access: Access, methods: Methods, version: int) -> SteeringAction:
    """Give the run other networks, another choice of images, or another limit of trainings.

    Raises ForbiddenError, InvalidInputError naming what is wrong, RunMovedError, ConflictError.
    """
    known, run = ready(access, "methods", version)
    if wrong := methods.check(run.n):
        raise InvalidInputError(_("Some values cannot be used."), **wrong)
    old = Methods.of(run.project)
    if old == methods:
        raise InvalidInputError(_("Nothing differs from what the run does now."))
    values = methods.put(run.project)
    state = computed(lambda: engine_steering.reconfigured(run, run.project))
    params = {**_differences(old, methods), "waiting_for": run.waiting_for}
    with transaction.atomic():
        claim(run, state)
        Project.objects.filter(pk=run.project_id).update(**values)
        said = found.consequence(known, "methods")
        action = write(access, run, "methods", before=asdict(old), said=said, params=params)
        go_on(run, Cut(), {"action": _kind(old, methods), "id": action.pk})
    access.project.refresh_from_db()
    return action


def _differences(old: Methods, new: Methods) -> dict[str, Any]:
    before, after = asdict(old), asdict(new)
    return {name: after[name] for name in after if after[name] != before[name]}


def _kind(old: Methods, new: Methods) -> str:
    """Return which sentence the event gets."""
    same = (old.arch, old.rivals, old.members_gib) == (new.arch, new.rivals, new.members_gib)
    return "acquisition" if same else "architectures"


# --- taken back ---------------------------------------------------------------------------------


def mark_undone(access: Access, run: Run, action: SteeringAction) -> None:
    """Write that this action was taken back; raise ConflictError if somebody did it before."""
    standing = SteeringAction.objects.filter(pk=action.pk, undone_at=None)
    if not standing.update(undone_at=timezone.now(), undone_by=access.user):
        raise ConflictError(_(TOO_LATE["not_newest"]))
    audit.write(
        user=access.user, project=run.project, action="run.steering_undone", target=action.action
    )
