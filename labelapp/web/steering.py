"""Steering a run: each action says what it costs before it is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_POST, require_safe

from labelapp import choices, queue
from labelapp.errors import AppError
from labelapp.models import Job, Project, SteeringAction
from labelapp.rights import Right
from labelapp.selectors import steering as found
from labelapp.selectors import steering_history
from labelapp.selectors import steering_words as words
from labelapp.selectors.dashboard_words import number
from labelapp.selectors.projects import Access
from labelapp.selectors.stored_words import stored_words
from labelapp.services import steering, steering_classes, steering_jobs
from labelapp.services.training_settings import TrainingSettings
from labelapp.web.base import project_page
from labelapp.web.candidate_field import CandidateField, RivalsField
from labelapp.web.project_forms import NEXT_HELP, SURE_HELP
from labelapp.web.training_fields import FIXED, setting_field, training_facts


def _options(names: dict[str, str]) -> list[tuple[str, str]]:
    return [(name, _(text)) for name, text in names.items()]


class MethodsForm(forms.Form):
    """Networks, what people label next, and how often the model may train."""

    arch = CandidateField(label=gettext_lazy("What is trained"))
    rivals = RivalsField(
        required=False,
        label=gettext_lazy("What races with it"),
    )
    acquisition = forms.ChoiceField(
        label=gettext_lazy("What people label next"),
        help_text=NEXT_HELP,
        choices=lambda: _options(choices.ACQUISITIONS),
    )
    certainty = forms.ChoiceField(
        label=gettext_lazy("What the machine is sure of"),
        help_text=SURE_HELP,
        choices=lambda: _options(choices.CERTAINTIES),
    )
    max_rounds = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=1000,
        label=gettext_lazy("Trainings at most"),
        help_text=gettext_lazy("Those of the past count. Empty: as many as pay off, up to 30."),
    )

    fixed_delta = setting_field("fixed_delta")
    neighbours = setting_field("neighbours")
    representativeness = setting_field("representativeness")
    uncertainty = setting_field("uncertainty")
    members_gib = setting_field("members_gib")

    @classmethod
    def of(cls, project: Project) -> MethodsForm:
        """Return the form with the project's methods."""
        now = steering.Methods.of(project)
        return cls(initial={name: getattr(now, name) for name in cls.base_fields})

    def weights(self) -> list[forms.BoundField]:
        """Return the fields of how informativeness weighs."""
        return [self[name] for name in ("neighbours", "representativeness", "uncertainty")]

    def methods(self) -> steering.Methods:
        """Return what was chosen."""
        data = dict(self.cleaned_data)
        return steering.Methods(**data | {"rivals": tuple(data["rivals"])})


class ReopenForm(forms.Form):
    """The share of wrong labels from now on, and the budget in all, as people write them."""

    epsilon = forms.FloatField(
        label=gettext_lazy("Wrong labels allowed, at most"),
        widget=forms.NumberInput(attrs={"step": "any", "min": "0", "max": "100"}),
    )
    budget = forms.DecimalField(
        required=False,
        label=gettext_lazy("Budget in all, what is spent among it"),
        help_text=gettext_lazy("Empty: as it was."),
        widget=forms.NumberInput(attrs={"step": "any", "min": "0"}),
    )


@require_GET
@project_page(Right.STEER)
def project_steer(request: HttpRequest, access: Access) -> HttpResponse:
    """Show what can be asked of the run, what each would cost, and what was asked before."""
    return _page(request, access)


def _page(
    request: HttpRequest,
    access: Access,
    *,
    methods: MethodsForm | None = None,
    reopen: ReopenForm | None = None,
) -> HttpResponse:
    known = found.gather(access.project)
    history, older = steering_history.asked(known)
    percent = {"epsilon": f"{access.project.epsilon * 100:.10g}"}
    over = known.run is not None and known.run.finished is not None
    context = {
        "access": access,
        "active": "settings",
        "version": known.version,
        "started": known.run is not None,
        "wish": words.wish(known),
        "cards": words.cards(known) if known.run is not None else [],
        "methods": None if known.run is None or over else words.methods_card(known),
        "classes": None if known.run is None or over else words.classes_card(known),
        "choices": list(access.project.classes.filter(archived=False).order_by("index")),
        "methods_form": methods or MethodsForm.of(access.project),
        "trains": training_facts(TrainingSettings.of(access.project.settings)),
        "trains_fixed": _(FIXED),
        "reopen_form": reopen or ReopenForm(initial=percent | _budget(access.project)),
        "history": history,
        "older": older,
        **_working(access),
    }
    bad = any(form is not None and form.errors for form in (methods, reopen))
    return render(request, "steering/page.html", context, status=400 if bad else 200)


def _budget(project: Project) -> dict[str, str]:
    """Return the budget as it stands in a field, where there is one."""
    return {} if project.budget is None else {"budget": f"{project.budget.normalize():f}"}


def _working(access: Access) -> dict[str, Any]:
    """Return the step that the worker does, how far it is, and why the last one was not done."""
    job, failed = steering_jobs.last(access.project)
    return {
        "access": access,
        "job": job,
        "job_says": "" if job is None else stored_words(job.message),
        "no_worker": job is not None and not queue.worker_alive(),
        "failed": stored_words(failed),
    }


@require_safe
@project_page(Right.STEER)
def steer_working(request: HttpRequest, access: Access) -> HttpResponse:
    """Show how a step that the worker does goes on; the page asks each second, and loads anew."""
    context = _working(access)
    response = render(request, "steering/_working.html", context)
    if context["job"] is None:
        response["HX-Refresh"] = "true"
    return response


@require_POST
@project_page(Right.STEER)
def steer_ask(request: HttpRequest, access: Access) -> HttpResponse:
    """Ask for an end of the run: `what` is stop, audit or by_hand."""
    what = request.POST.get("what", "")
    said = {
        "stop": _("The run stops with the next step."),
        "audit": _("The run stops with the next step, and the audit follows."),
        "by_hand": _("People label the rest."),
    }
    if what not in said:
        return redirect("project_steer", access.project.public_id)
    return _do(
        request,
        access,
        lambda: steering.ask(access=access, what=what, version=_version(request)),
        said[what],
    )


@require_POST
@project_page(Right.STEER)
def steer_methods(request: HttpRequest, access: Access) -> HttpResponse:
    """Change the networks, the choice of images, the number of trainings."""
    form = MethodsForm(request.POST)
    if not form.is_valid():
        return _page(request, access, methods=form)
    try:
        methods, version = form.methods(), _version(request)
        steering.change_methods(access=access, methods=methods, version=version)
    except AppError as error:
        return _refused(request, access, error, methods=form)
    messages.success(request, _("Saved. What is trained and asked next follows it."))
    return redirect("project_steer", access.project.public_id)


@require_POST
@project_page(Right.STEER)
def steer_classes(request: HttpRequest, access: Access) -> HttpResponse:
    """Add a class (`name`), or merge two (`source` becomes `into`)."""
    version, sent = _version(request), request.POST
    if sent.get("what") == "merge":
        source, into = (_number(sent.get(name, "")) for name in ("source", "into"))
        return _do(
            request,
            access,
            lambda: steering_jobs.merge(access=access, source=source, into=into, version=version),
            _("Merged. Labels and answers count as the other class's."),
        )
    name = sent.get("name", "")
    return _do(
        request,
        access,
        lambda: steering_classes.add_class(access=access, name=name, version=version),
        _("Added: people can choose the class from now on."),
    )


@require_POST
@project_page(Right.STEER)
def steer_reopen(request: HttpRequest, access: Access) -> HttpResponse:
    """Open a finished project again."""
    form = ReopenForm(request.POST)
    if not form.is_valid():
        return _page(request, access, reopen=form)
    epsilon, budget = form.cleaned_data["epsilon"] / 100, form.cleaned_data["budget"]
    try:
        done = steering_jobs.reopen(
            access=access, version=_version(request), epsilon=epsilon, budget=budget
        )
    except AppError as error:
        return _refused(request, access, error, reopen=form)
    if not isinstance(done, Job):
        text = _("The project is open again; the machine's labels are withdrawn.")
        messages.success(request, text)
    return redirect("project_steer", access.project.public_id)


@require_POST
@project_page(Right.STEER)
def steer_undo(request: HttpRequest, access: Access, action_id: int) -> HttpResponse:
    """Take the newest action back."""
    return _do(
        request,
        access,
        lambda: steering_jobs.undo(access=access, action_id=action_id),
        _taken_back,
    )


def _taken_back(action: object) -> str:
    """Say what taking an action back did: a batch that was cut short stays so."""
    left = action.params.get("left") if isinstance(action, SteeringAction) else 0
    if not left:
        return _("Taken back: the run goes on as if it had not been asked.")
    text = ngettext(
        "Taken back: the run goes on. The open batch stays shorter by %(n)s image: the model learns "
        "from what was labelled, then the engine plans anew.",
        "Taken back: the run goes on. The open batch stays shorter by %(n)s images: the model "
        "learns from what was labelled, then the engine plans anew.",
        left,
    )
    return text % {"n": number(left)}


def _version(request: HttpRequest) -> int:
    """Return the version of the run that the page was about; no number is no version."""
    return _number(request.POST.get("version", ""))


def _number(sent: str) -> int:
    return int(sent) if sent.isdecimal() and len(sent) < 10 else -1


def _do(
    request: HttpRequest,
    access: Access,
    service: Callable[[], object],
    said: str | Callable[[object], str],
) -> HttpResponse:
    try:
        done = service()
    except AppError as error:
        messages.error(request, error.message, extra_tags=error.code)
    else:
        if not isinstance(done, Job):  # the page shows how far that is
            messages.success(request, said if isinstance(said, str) else said(done))
    return redirect("project_steer", access.project.public_id)


def _refused(request: HttpRequest, access: Access, error: AppError, **shown: Any) -> HttpResponse:
    """Say what is wrong: beside its field where there is one, else above the newest figures."""
    form = next(iter(shown.values()))
    fields = {name: text for name, text in error.fields.items() if name in form.fields}
    if not fields:
        messages.error(request, error.message, extra_tags=error.code)
        return redirect("project_steer", access.project.public_id)
    for name, text in fields.items():
        form.add_error(name, str(text))
    return _page(request, access, **shown)


_PAGE = "p/<str:pid>/steer/"
urlpatterns: list[URLPattern] = [
    path(_PAGE, project_steer, name="project_steer"),
    path(f"{_PAGE}working/", steer_working, name="steer_working"),
    path(f"{_PAGE}ask/", steer_ask, name="steer_ask"),
    path(f"{_PAGE}methods/", steer_methods, name="steer_methods"),
    path(f"{_PAGE}classes/", steer_classes, name="steer_classes"),
    path(f"{_PAGE}reopen/", steer_reopen, name="steer_reopen"),
    path(f"{_PAGE}<int:action_id>/undo/", steer_undo, name="steer_undo"),
]
