"""Pages: how well people label, and the project's rules for them."""

from __future__ import annotations

import csv
import io

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from labelapp.errors import AppError, InvalidInputError
from labelapp.formats.csv_labels import escape
from labelapp.models import Project
from labelapp.rights import Right
from labelapp.selectors import people_words
from labelapp.selectors.people_report import consensus_state, pending, report
from labelapp.selectors.projects import Access
from labelapp.selectors.quality import people_quality
from labelapp.selectors.quality_report import agreement, estimates, per_person
from labelapp.selectors.reviews import sample_progress
from labelapp.services import consensus, people_report, review_samples, rules
from labelapp.web.base import outcome_said, project_page
from labelapp.web.rules_form import RulesForm, aliases_as_text, initial_rules, read_aliases

CONSENSUS = {
    Project.Consensus.MAJORITY: (
        gettext_lazy("Majority"),
        gettext_lazy("The class that most people gave; of equals, the one given first."),
    ),
    Project.Consensus.DAWID_SKENE: (
        gettext_lazy("Dawid and Skene"),
        gettext_lazy("Weighs each person by how they confuse the classes, learned from overlap."),
    ),
    Project.Consensus.CROWDLAB: (
        gettext_lazy("CROWDLAB"),
        gettext_lazy("Also asks the newest model, which counts as one more, weighed, opinion."),
    ),
}


@require_safe
@project_page(Right.VIEW_DASHBOARD)
def page(request: HttpRequest, access: Access) -> HttpResponse:
    """Show how well people label."""
    project = access.project
    found = report(project)
    context = {
        "access": access,
        "active": "quality",
        "part": "people",
        "rows": [(row, per_person(found, row.user.pk)) for row in people_quality(project)],
        "report": found,
        "pending": pending(project),
        "lines": people_words.lines(found) if found else [],
        "consensus_line": people_words.consensus_line(consensus_state(project)),
        "agreement": agreement(found),
        "estimates": estimates(found),
        "consensus": [
            (value, *words, value == project.consensus) for value, words in CONSENSUS.items()
        ],
        "sample": sample_progress(project),
        "populations": [
            (kind.value, review_samples.population_of(access, kind)) for kind in review_samples.Kind
        ],
    }
    return render(request, "quality/page.html", context)


COLUMNS = (
    "person",
    "email",
    "role",
    "answers",
    "active_seconds",
    "seconds_per_answer",
    "gold_answers",
    "gold_right",
    "gold_share",
    "gold_low_95",
    "gold_high_95",
    "plants_shown",
    "plants_caught",
    "agreement_with_others",
)


@require_safe
@project_page(Right.VIEW_DASHBOARD)
def table(request: HttpRequest, access: Access) -> HttpResponse:
    """Send the table of people as a CSV file."""
    found = report(access.project)
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for row in people_quality(access.project):
        gold, alike = row.gold, per_person(found, row.user.pk).get("agreement")
        writer.writerow(
            [
                escape(str(row.user)),
                escape(row.user.email),
                row.member.role if row.member else "",
                row.answers,
                f"{row.active:.1f}",
                "" if row.pace is None else f"{row.pace:.2f}",
                gold.n if gold else 0,
                gold.right if gold else 0,
                *(
                    [f"{gold.value:.4f}", f"{gold.low:.4f}", f"{gold.high:.4f}"]
                    if gold
                    else [""] * 3
                ),
                row.plants,
                row.caught,
                f"{alike['share']:.4f}" if alike else "",
            ]
        )
    response = HttpResponse(buffer.getvalue(), content_type="text/csv; charset=utf-8")
    name = f"people-{access.project.public_id}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@require_POST
@project_page(Right.STEER)
def choose_consensus(request: HttpRequest, access: Access) -> HttpResponse:
    """Put several answers to one image together in another way; all votes stay."""
    with outcome_said(
        request,
        _("The labels are being put together anew. The next training uses them."),
        refused=AppError,
    ):
        consensus.request(access=access, method=request.POST.get("method", ""))
    return redirect("project_quality", pid=access.project.public_id)


@require_POST
@project_page(Right.STEER)
def refresh(request: HttpRequest, access: Access) -> HttpResponse:
    """Have the report made anew."""
    with outcome_said(
        request, _("The report is being made; reload the page in a moment."), refused=AppError
    ):
        people_report.request(access=access)
    return redirect("project_quality", pid=access.project.public_id)


@require_http_methods(["GET", "POST"])
@project_page(Right.STEER)
def project_rules(request: HttpRequest, access: Access) -> HttpResponse:
    """Show and change the rules for people."""
    form = RulesForm(request.POST or None, initial=initial_rules(access.project))
    if request.method == "POST" and form.is_valid():
        try:
            changed = rules.change_rules(access=access, rules=form.rules())
        except AppError as error:
            form.complain(error.fields or {"": error.message})
        else:
            words = _("Saved. Batches that are opened from now on follow the new rules.")
            messages.success(request, words if changed else _("Nothing has changed."))
            return redirect("project_rules", pid=access.project.public_id)
    return _rules_page(request, access, form)


@require_POST
@project_page(Right.STEER)
def class_aliases(request: HttpRequest, access: Access) -> HttpResponse:
    """Store the other names of the classes."""
    text = request.POST.get("aliases", "")
    aliases, problem = read_aliases(access.project, text)
    if not problem:
        try:
            rules.set_aliases(access=access, aliases=aliases)
        except InvalidInputError as error:
            problem = error.message
        else:
            messages.success(request, _("Saved."))
            return redirect("project_rules", pid=access.project.public_id)
    form = RulesForm(initial=initial_rules(access.project))
    return _rules_page(request, access, form, aliases=text, problem=problem)


def _rules_page(
    request: HttpRequest,
    access: Access,
    form: RulesForm,
    *,
    aliases: str | None = None,
    problem: str = "",
) -> HttpResponse:
    context = {
        "access": access,
        "active": "quality",
        "part": "rules",
        "form": form,
        "aliases": aliases_as_text(access.project) if aliases is None else aliases,
        "alias_problem": problem,
        "over": access.project.status == Project.Status.FINISHED,
    }
    status = 400 if form.errors or problem else 200
    return render(request, "quality/rules.html", context, status=status)


_PAGE = "p/<str:pid>/quality/"
urlpatterns: list[URLPattern] = [
    path(_PAGE, page, name="project_quality"),
    path(f"{_PAGE}people.csv", table, name="quality_csv"),
    path(f"{_PAGE}consensus/", choose_consensus, name="quality_consensus"),
    path(f"{_PAGE}refresh/", refresh, name="quality_refresh"),
    path(f"{_PAGE}rules/", project_rules, name="project_rules"),
    path(f"{_PAGE}aliases/", class_aliases, name="class_aliases"),
]
