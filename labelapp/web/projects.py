"""Pages: the list of projects, a new one, its settings and its end."""

from __future__ import annotations

from enum import StrEnum

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labelapp.errors import AppError, ForbiddenError, InvalidInputError
from labelapp.models import LabelBatch, Project
from labelapp.rights import Right
from labelapp.selectors.dashboard_words import money
from labelapp.selectors.people import may_create_projects
from labelapp.selectors.project_list import ProjectRow, count_archived, project_rows
from labelapp.selectors.projects import Access, visible_projects
from labelapp.services import class_lists, people, projects, run_settings
from labelapp.web.base import person, project_page
from labelapp.web.project_forms import (
    NEW_PROJECT,
    NameForm,
    ProjectForm,
    RunForm,
    fixed_facts,
    initial_of,
)

PREVIEW = 60  # classes shown while typing; more are counted


@login_required
@require_GET
def project_list(request: HttpRequest) -> HttpResponse:
    """Show this person's projects."""
    user = person(request)
    archived = request.GET.get("archived") == "1"
    rows = project_rows(user, archived=archived)
    context = {
        "may_create": may_create_projects(user),
        "rows": [(row, *_money_words(row)) for row in rows],
        "archived": archived,
        "archived_count": count_archived(user),
    }
    return render(request, "projects/list.html", context)


def _money_words(row: ProjectRow) -> tuple[str, str]:
    """Return what was spent and what people alone would cost, in words."""
    if not row.sees_money:
        return "", ""
    currency = row.project.currency
    return money(row.spent, currency), money(row.human_only, currency)


@login_required
@require_GET
def project_menu(request: HttpRequest) -> HttpResponse:
    """Show the menu that switches between projects."""
    found = visible_projects(person(request)).filter(archived_at=None)[:30]
    return render(request, "projects/_menu.html", {"projects": found})


@login_required
@require_http_methods(["GET", "POST"])
def project_new(request: HttpRequest) -> HttpResponse:
    """Make a project, then go on to its images."""
    if not may_create_projects(person(request)):
        raise ForbiddenError(
            _("Annotators do not make projects: ask the owner of this installation.")
        )
    form = ProjectForm(request.POST or None, initial=NEW_PROJECT)
    if "fill" in request.POST:
        return render(request, "projects/new.html", {"form": form.filled()})
    if request.method == "POST" and form.is_valid():
        try:
            project = _create(request, form)
        except InvalidInputError as error:
            form.complain(error.fields)
        else:
            messages.success(request, _("The project is made. Next: its images."))
            return redirect("project_images", pid=project.public_id)
    status = 400 if form.errors else 200
    return render(request, "projects/new.html", {"form": form}, status=status)


def _create(request: HttpRequest, form: ProjectForm) -> Project:
    return projects.create_project(
        user=person(request),
        name=form.cleaned_data["name"],
        class_names=form.class_names(),
        terms=form.terms(),
        method=form.method(),
        settings={"flip": form.cleaned_data["flip"]},
        training=form.training(),
    )


@login_required
@require_POST
def class_preview(request: HttpRequest) -> HttpResponse:
    """Show which keys and colours a pasted class list gets, and what is wrong with it."""
    names = class_lists.split_names(request.POST.get("classes", ""))
    problem = ""
    try:
        class_lists.check_names(names)
    except InvalidInputError as error:
        problem = str(error.fields["classes"])
    shown = class_lists.assign(names[:PREVIEW])
    context = {"classes": shown, "more": len(names) - len(shown), "problem": problem}
    return render(request, "projects/_classes.html", {**context, "count": len(names)})


@require_http_methods(["GET", "POST"])
@project_page(Right.STEER)
def project_settings(request: HttpRequest, access: Access) -> HttpResponse:
    """Show and change the settings: all before the start, promise and prices while it runs."""
    forms = {Stage.BEFORE: ProjectForm, Stage.GOING: RunForm, Stage.OVER: NameForm}
    stage = Stage.of(access.project)
    initial = initial_of(access.project)
    form = forms[stage](request.POST or None, initial=initial)
    if "fill" in request.POST and isinstance(form, ProjectForm):
        context = _settings_context(access, form.filled(), stage)
        return render(request, "projects/settings.html", context)
    if request.method == "POST" and form.is_valid():
        try:
            messages.success(request, _save(access, form))
            return redirect("project_settings", pid=access.project.public_id)
        except AppError as error:
            form.complain(error.fields or {"": error.message})
    context = _settings_context(access, form, stage)
    return render(request, "projects/settings.html", context, status=400 if form.errors else 200)


class Stage(StrEnum):
    """How far a project is: it decides what can be changed."""

    BEFORE = "before"
    GOING = "going"
    OVER = "over"

    @classmethod
    def of(cls, project: Project) -> Stage:
        """Return the stage that a project is in."""
        if project.status == Project.Status.SETUP:
            return cls.BEFORE
        return cls.OVER if project.status == Project.Status.FINISHED else cls.GOING


def _save(access: Access, form: NameForm) -> str:
    """Save what may change and return what to say about it. Raises AppError."""
    if isinstance(form, ProjectForm):
        projects.update_project(
            access=access,
            name=form.cleaned_data["name"],
            class_names=form.class_names(),
            terms=form.terms(),
            method=form.method(),
            flip=form.cleaned_data["flip"],
            training=form.training(),
        )
        return _("Saved.")
    changed = isinstance(form, RunForm) and run_settings.change_settings(
        access=access, terms=form.terms()
    )
    projects.rename_project(access=access, name=form.cleaned_data["name"])
    return _("Saved. The engine's next plan uses the new values.") if changed else _("Saved.")


def _settings_context(access: Access, form: NameForm, stage: Stage) -> dict[str, object]:
    project = access.project
    return {
        "access": access,
        "active": "settings",
        "form": form,
        "stage": stage.value,
        "audit_going": LabelBatch.objects.filter(
            project=project, purpose="audit", state=LabelBatch.State.OPEN
        ).exists(),
        "facts": fixed_facts(project, terms=stage is Stage.OVER),
        "classes": project.classes.filter(archived=False).order_by("index"),
    }


@require_POST
@project_page(Right.DELETE)
def project_archive(request: HttpRequest, access: Access) -> HttpResponse:
    """Archive the project (`archived=1`) or bring it back (`archived=0`)."""
    if request.POST.get("archived") == "0":
        projects.restore_project(access=access)
        messages.success(request, _("The project is back. If it was running, resume it."))
        return redirect("project_settings", pid=access.project.public_id)
    projects.archive_project(access=access)
    messages.success(
        request, _("%(name)s is archived; nothing of it is lost.") % {"name": access.project.name}
    )
    return redirect("projects")


@require_POST
@project_page(Right.DELETE)
def project_delete(request: HttpRequest, access: Access) -> HttpResponse:
    """Delete the project once its name was typed."""
    try:
        projects.delete_project(access=access, typed_name=request.POST.get("typed_name", ""))
    except InvalidInputError as error:
        messages.error(request, error.message, extra_tags=error.code)
        return redirect("project_settings", pid=access.project.public_id)
    messages.success(request, _("%(name)s is deleted.") % {"name": access.project.name})
    return redirect("projects")


@require_POST
@project_page()
def project_leave(request: HttpRequest, access: Access) -> HttpResponse:
    """Leave a project; answers and earnings stay."""
    people.remove_member(access=access, user_id=person(request).pk)
    messages.success(
        request, _("You have left %(name)s. Your earnings stay.") % {"name": access.project.name}
    )
    return redirect("projects")


urlpatterns: list[URLPattern] = [
    path("", project_list, name="projects"),
    path("projects/new/", project_new, name="project_new"),
    path("projects/classes/", class_preview, name="class_preview"),
    path("projects/menu/", project_menu, name="project_menu"),
    path("p/<str:pid>/settings/", project_settings, name="project_settings"),
    path("p/<str:pid>/archive/", project_archive, name="project_archive"),
    path("p/<str:pid>/delete/", project_delete, name="project_delete"),
    path("p/<str:pid>/leave/", project_leave, name="project_leave"),
]
