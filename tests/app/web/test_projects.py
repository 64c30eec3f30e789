from __future__ import annotations

from decimal import Decimal

import pytest
from django.urls import reverse

from labelapp.models import Job, Membership, Project, ProjectCounter, User
from labelapp.selectors.projects import access
from labelapp.services import runs
from tests.app.conftest import add_images

FORM = {
    "name": "Birds",
    "classes": "heron\negret",
    "epsilon": "2.5",
    "confidence": "90",
    "price_per_label": "0.05",
    "compute_price_per_hour": "0",
    "currency": "EUR",
    "flip": "on",
}


@pytest.fixture
def owner(cast, project, sign_in):
    return sign_in(cast.owner)


def address(name: str, project: Project) -> str:
    return reverse(name, args=[project.public_id])


def test_the_list_shows_own_projects_only(cast, project, sign_in, owner):
    assert "Shapes" in owner.get("/").text
    assert "Shapes" not in sign_in(cast.outsider).get("/").text


def test_managers_see_money_and_annotators_do_not(cast, project, images, sign_in, owner):
    ProjectCounter.objects.update(label_spend="12.34")
    assert "$12.34" in owner.get("/").text
    page = sign_in(cast.annotator).get("/").text
    assert "12.34" not in page
    assert "people alone" not in page


def test_the_bar_adds_up_to_all_images(project, images, owner):
    ProjectCounter.objects.update(train=5, test=2, machine=8, residual=1)
    page = owner.get("/").text
    for words in ("6 labelled by people", "2 test set", "8 labelled by the machine", "4 still"):
        assert words in page


def test_annotators_are_not_told_how_many_images_test_the_model(cast, project, images, sign_in):
    ProjectCounter.objects.update(train=5, test=2, machine=8)
    page = sign_in(cast.annotator).get("/").text
    assert "7 labelled by people" in page
    assert "test set" not in page


def test_the_list_takes_the_same_queries_at_any_length(
    cast, project, owner, django_assert_max_num_queries
):
    for number in range(8):
        extra = Project.objects.create(name=f"P{number}")
        ProjectCounter.objects.create(project=extra)
        Membership.objects.create(project=extra, user=cast.owner, role="owner")
    with django_assert_max_num_queries(9):
        owner.get("/")


def test_an_empty_list_says_what_to_do(cast, sign_in):
    assert "No projects yet" in sign_in(cast.outsider).get("/").text


def test_archived_projects_are_behind_a_switch(project, owner):
    owner.post(address("project_archive", project), {"archived": "1"})
    assert ">Shapes<" not in owner.get("/").text
    assert "Shapes" in owner.get("/?archived=1").text
    owner.post(address("project_archive", project), {"archived": "0"})
    project.refresh_from_db()
    assert project.archived_at is None


def test_the_form_makes_a_project_and_goes_on_to_its_images(cast, project, owner):
    answer = owner.post("/projects/new/", FORM)
    made = Project.objects.get(name="Birds")
    assert answer.url == f"/p/{made.public_id}/images/"
    assert (made.epsilon, made.confidence, made.currency) == (0.025, 0.9, "EUR")
    assert made.settings == {"flip": True}


def test_the_form_takes_certificate_budget_and_method(project, owner):
    method = {"certificate": "test_set", "acquisition": "entropy", "rivals": ["resnet18"]}
    owner.post("/projects/new/", {**FORM, "budget": "120.5", **method})
    made = Project.objects.get(name="Birds")
    assert (made.certificate, made.acquisition, made.rivals) == (
        "test_set",
        "entropy",
        ["resnet18"],
    )
    assert made.budget == Decimal("120.5")


def test_what_is_wrong_in_the_folded_part_opens_it(project, owner):
    page = owner.post("/projects/new/", {**FORM, "acquisition": "magic"}).text
    assert '<details class="advanced" open>' in page
    assert 'href="#id_acquisition"' in page


def test_a_wrong_form_keeps_what_was_typed_and_says_what_is_wrong(project, owner):
    answer = owner.post("/projects/new/", {**FORM, "classes": "heron", "epsilon": "100"})
    assert answer.status_code == 400
    assert "At least two classes" in answer.text
    assert "between 0 % and 100 %" in answer.text
    assert "<code>invalid_input</code>" in answer.text
    assert 'value="Birds"' in answer.text
    assert not Project.objects.filter(name="Birds").exists()


def test_everything_wrong_is_said_at_once(project, owner):
    form = {**FORM, "name": "", "classes": "cat\ncat", "epsilon": "120", "currency": "ZZZ"}
    page = owner.post("/projects/new/", form).text
    for anchor in ("#id_name", "#id_classes", "#id_currency"):
        assert f'href="{anchor}"' in page
    page = owner.post("/projects/new/", {**form, "currency": "EUR"}).text
    assert 'href="#id_epsilon"' in page


@pytest.mark.parametrize("value", ["", "five", "nan", "inf", "-1", "0"])
def test_an_error_target_that_is_none_is_refused(project, owner, value):
    answer = owner.post("/projects/new/", {**FORM, "epsilon": value})
    assert answer.status_code == 400
    assert 'id="id_epsilon"' in answer.text
    assert not Project.objects.filter(name="Birds").exists()


def test_who_only_labels_makes_no_project(cast, project, sign_in):
    client = sign_in(cast.annotator)
    assert "New project" not in client.get("/").text
    assert client.post("/projects/new/", FORM).status_code == 403
    assert not Project.objects.filter(name="Birds").exists()


def test_the_installations_owner_makes_the_first_project(db, sign_in):
    client = sign_in(User.objects.create_superuser("boss@example.org", "x"))
    assert client.post("/projects/new/", FORM).status_code == 302


def test_the_preview_shows_keys_and_problems(project, owner):
    page = owner.post("/projects/classes/", {"classes": "cat, dog"}).text
    assert "cat" in page
    assert ">1</kbd>" in page
    page = owner.post("/projects/classes/", {"classes": "cat\ncat"}).text
    assert "repeated: cat" in page


def test_names_are_shown_as_text_never_as_markup(project, owner):
    evil = "<script>alert(1)</script>"
    owner.post("/projects/new/", {**FORM, "name": evil, "classes": f"{evil}\nb"})
    assert evil not in owner.get("/").text
    assert evil not in owner.post("/projects/classes/", {"classes": f"{evil},b"}).text


def test_the_switcher_lists_own_projects(cast, project, owner, sign_in):
    assert "Shapes" in owner.get("/projects/menu/").text
    assert "Shapes" not in sign_in(cast.outsider).get("/projects/menu/").text


def test_settings_are_saved_before_the_run(project, owner):
    answer = owner.post(address("project_settings", project), FORM)
    assert answer.status_code == 302
    project.refresh_from_db()
    assert (project.name, project.epsilon) == ("Birds", 0.025)
    assert list(project.classes.values_list("name", flat=True)) == ["heron", "egret"]


def test_classes_and_method_are_fixed_after_the_start(project, batch, owner):
    page = owner.get(address("project_settings", project)).text
    assert "The run goes on with what you change here" in page
    assert 'name="classes"' not in page
    assert 'name="acquisition"' not in page
    assert "certified" in page.lower()


@pytest.fixture
def run(cast, project):
    add_images(project, 400)
    return runs.start_run(access=access(cast.owner, project.public_id))


def test_promise_prices_and_budget_are_saved_while_the_run_goes_on(project, run, owner):
    form = {**FORM, "name": "Shapes", "currency": "ignored", "budget": "75"}
    answer = owner.post(address("project_settings", project), form, follow=True)
    assert "next plan uses the new values" in answer.text
    project.refresh_from_db()
    assert (project.epsilon, project.confidence, project.currency) == (0.025, 0.9, "USD")
    assert (str(project.price_per_label), project.budget) == ("0.050000", 75)
    run.refresh_from_db()
    assert run.state["state"]["config"]["target"]["epsilon"] == 0.025
    assert list(project.classes.values_list("name", flat=True)) == ["circle", "square", "star"]


def test_what_comes_too_late_is_refused_in_words_and_keeps_what_was_typed(project, run, owner):
    run.state["state"]["phase"] = "residual"
    run.save()
    answer = owner.post(address("project_settings", project), FORM)
    assert answer.status_code == 400
    assert "the machine labels are already chosen" in answer.text
    assert 'value="2.5"' in answer.text
    project.refresh_from_db()
    assert (project.epsilon, project.name) == (0.05, "Shapes")


def test_the_settings_page_warns_while_people_check_the_machine(project, batch, owner):
    batch.purpose = "audit"
    batch.save()
    assert "Another promise ends this check" in owner.get(address("project_settings", project)).text


def test_only_the_name_is_saved_once_the_run_is_finished(project, batch, owner):
    Project.objects.update(status="finished")
    assert 'name="epsilon"' not in owner.get(address("project_settings", project)).text
    owner.post(address("project_settings", project), FORM)
    project.refresh_from_db()
    assert (project.name, project.epsilon) == ("Birds", 0.05)


def test_an_empty_name_is_refused_after_the_start(project, batch, owner):
    answer = owner.post(address("project_settings", project), {"name": " "})
    assert answer.status_code == 400
    assert 'href="#id_name"' in answer.text


def test_deleting_says_what_is_lost_and_needs_the_name(project, owner):
    page = owner.get(address("project_settings", project)).text
    assert "cannot be brought back" in page
    owner.post(address("project_delete", project), {"typed_name": "Shape"})
    assert not Job.objects.filter(kind="delete").exists()
    owner.post(address("project_delete", project), {"typed_name": "Shapes"})
    assert Job.objects.filter(kind="delete").exists()
    assert owner.get(address("project_settings", project)).status_code == 404


def test_managers_see_settings_without_archive_and_delete(cast, project, sign_in):
    client = sign_in(cast.manager)
    page = client.get(address("project_settings", project)).text
    assert "typed_name" not in page
    assert client.post(address("project_archive", project)).status_code == 403
    assert client.post(address("project_delete", project)).status_code == 403


def test_annotators_see_no_settings(cast, project, sign_in):
    assert sign_in(cast.annotator).get(address("project_settings", project)).status_code == 403


def test_an_annotator_leaves_a_project(cast, project, sign_in):
    sign_in(cast.annotator).post(address("project_leave", project))
    assert not Membership.objects.filter(project=project, user=cast.annotator).exists()


def test_the_last_owner_does_not_leave(project, owner):
    assert owner.post(address("project_leave", project)).status_code == 409


@pytest.mark.parametrize("method", ["get", "put", "delete"])
@pytest.mark.parametrize("name", ["project_archive", "project_delete", "project_leave"])
def test_what_changes_things_is_post_only(project, owner, name, method):
    assert getattr(owner, method)(address(name, project)).status_code == 405


def test_the_theme_of_the_person_is_on_the_page(cast, project, sign_in):
    User.objects.filter(pk=cast.owner.pk).update(theme="dark")
    assert 'data-theme="dark"' in sign_in(cast.owner).get("/").text


def test_the_tabs_follow_the_rights(cast, project, sign_in):
    page = sign_in(cast.annotator).get(address("project_guidelines", project)).text
    assert f"/p/{project.public_id}/label/" in page
    assert f"/p/{project.public_id}/settings/" not in page
    assert f"/p/{project.public_id}/people/" not in page
