"""Candidates and training settings on the forms: without a script, wrong, missing, in words."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from labelapp import engine
from labelapp.engine_candidates import WrongCandidateError, parts_of
from labelapp.models import Project, SteeringAction
from labelapp.selectors.candidate_words import (
    COMPLAINTS,
    candidate_name,
    candidate_names,
    candidate_problem,
)
from labelapp.selectors.stored_words import stored_words
from labelapp.services.steering import Methods
from labelapp.services.training_settings import TrainingSettings
from labelapp.web.training_fields import preset_values
from mcal_engine import mcal, state_io
from tests.app import dashboard_data
from tests.app.web.test_projects import FORM

NEW = "/projects/new/"


def controls(prefix: str, net: str, way="plain", checkpoints="1", seeds="1") -> dict[str, str]:
    values = {"net": net, "way": way, "checkpoints": checkpoints, "seeds": seeds}
    return {f"{prefix}_{name}": value for name, value in values.items()}


@pytest.fixture
def owner(cast, project, sign_in):
    return sign_in(cast.owner)


def test_a_candidate_has_one_name_everywhere():
    names = {
        "cnn_small": "Small network",
        "resnet18+seeds=5+tuned": "ResNet-18, pre-trained, fine-tuned, mean of 5 runs",
        "cnn_small+checkpoints=4+seeds=5": (
            "Small network, mean of 4 checkpoints of each of 5 runs"
        ),
        "vit_b_16+frozen+pseudo": "ViT-B/16, pre-trained, frozen, with pseudo-labels",
        "an old+name": "an old+name",
    }
    assert {name: candidate_name(name) for name in names} == names
    assert candidate_names([]) == "none"
    said = stored_words("Training cnn_small+checkpoints=7 (1 of 3) on 300 images")
    assert said == "Training Small network, mean of 7 checkpoints (1 of 3) on 300 images"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cnn_small+checkpoints=0", "are 1 or more"),
        ("cnn_small+checkpoints=100+seeds=11", "at most 1,000 members"),
        ("resnet18+checkpoints=2+frozen", "one best last layer"),
        ("resnet18+semi+tuned", "starts from fresh weights"),
        ("cnn_small+pseudo+semi", "choose one of the two"),
        ("resnet18+frozen+tuned", "choose one of the two"),
        ("cnn_small+seeds=5+checkpoints=4", "Write it as cnn_small+checkpoints=4+seeds=5."),
        ("magic+semi", "no network magic"),
        ("cnn small", "is not the name"),
        ("resnet10+tuned", "no published weights"),
        ("resnet18+tuned", "resnet18-f37072fd.pth into a folder"),
    ],
)
def test_what_cannot_be_chosen_says_why(name, words):
    assert words in candidate_problem(name)


def test_each_complaint_of_the_engine_has_words():
    names = ("a+checkpoints=0", "a+checkpoints=100+seeds=11", "a+checkpoints=2+frozen")
    names += ("a+semi+tuned", "a+pseudo+semi", "a+frozen+tuned")
    said = set()
    for name in names:
        with pytest.raises(WrongCandidateError) as caught:
            parts_of(name)
        said.add(str(caught.value))
    assert said == set(COMPLAINTS)


def test_weights_that_are_there_or_may_be_fetched_can_be_chosen(settings, tmp_path):
    settings.WEIGHTS_DIR = str(tmp_path)
    assert str(tmp_path) in candidate_problem("resnet18+tuned")
    (tmp_path / "resnet18-f37072fd.pth").touch()
    (tmp_path / "resnet10.pt").touch()
    assert candidate_problem("resnet18+tuned") == ""
    assert candidate_problem("resnet10+frozen")  # its hash is missing
    (tmp_path / "resnet10.pt.sha256").touch()
    assert candidate_problem("resnet10+frozen") == ""
    settings.ALLOW_WEIGHT_DOWNLOAD = True
    assert candidate_problem("vit_b_16+tuned") == ""
    assert candidate_problem("cnn_small+tuned")  # nothing to fetch


def test_the_form_works_without_a_script(owner):
    sent = FORM | controls("arch", "cnn_fast", "semi", "5") | {"epochs": "7", "fixed_delta": "50"}
    sent |= controls("rivals_0", "") | controls("rivals_2", "cnn_small", "plain", "4", "5")
    sent |= {"neighbours": "5", "tail": "0.4", "sgd": "1"}
    assert owner.post(NEW, sent).status_code == 302
    made = Project.objects.get(name="Birds")
    assert (made.arch, made.rivals) == (
        "cnn_fast+checkpoints=5+semi",
        ["cnn_small+checkpoints=4+seeds=5"],
    )
    assert made.settings == {
        "flip": True,
        "fixed_delta": 50,
        "training": {"epochs": 7.0, "tail": 0.4, "sgd": 1.0},
        "weighing": {"neighbours": 5},
    }
    page = owner.get(reverse("project_settings", args=[made.public_id])).text
    assert '<details class="advanced" id="training" open>' in page
    assert 'value="7"' in page
    assert "mean of 4 checkpoints of each of 5 runs" in page
    config = engine._config(made, 5_000, 3)
    assert (config.fixed_delta, config.training["tail"]) == (50, 0.4)
    state, _request = mcal.start(config)
    assert state_io.load(state_io.dump(state)) == state
    assert config.weighing.neighbours == 5


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (controls("arch", "cnn_small", checkpoints="0"), "are 1 or more"),
        (controls("arch", "cnn_small", checkpoints="x"), "whole numbers from 1 to 1,000"),
        (controls("arch", "cnn_small", "sideways"), "one of the ways"),
        (controls("rivals_1", "resnet18", "frozen", "2"), "ResNet-18: A frozen network has"),
        (controls("rivals_1", "cnn_small"), "Each network races once"),
        ({"acquisition": "mutual_information"}, "Only the members of an ensemble"),
        ({"learning_rate": "0"}, "Give a number from 0.0000001 to 100."),
        ({"epochs": "0"}, "Give a whole number from 1 to 10,000."),
        ({"tail": "0.9"}, "Give a number from 0.01 to 0.75."),
        ({"pseudo_threshold": "0.6", "pseudo_floor": "0.7"}, "must not lie above"),
        ({"representativeness": "0", "uncertainty": "0"}, "must not both be 0"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_lost(owner, sent, words):
    answer = owner.post(NEW, FORM | sent)
    assert answer.status_code == 400
    assert words in answer.text
    assert not Project.objects.filter(name="Birds").exists()
    for name, value in sent.items():
        assert f'value="{value}"' in answer.text or value == "sideways", name


def test_a_preset_fills_the_form_and_saves_nothing(owner):
    sent = FORM | {"preset": "budget_annotator", "fill": "1", "budget": "77", "semi_longer": "3"}
    answer = owner.post(NEW, sent)
    assert answer.status_code == 200
    for words in ('value="Birds"', 'value="77"', 'value="10000"', 'value="0.05"', "Inception v3"):
        assert words in answer.text
    assert "densenet121-a639ec97.pth" in answer.text  # what is missing for it
    assert not Project.objects.filter(name="Birds").exists()
    usual = owner.post(NEW, sent | {"preset": "usual", "epochs": "9"}).text
    assert 'value="9"' not in usual
    assert preset_values("budget_annotator")["min_steps"] == 1
    assert preset_values("fewest_labels")["rivals"] == ["cnn_small+semi"]
    unlabelled = owner.post(NEW, sent | {"preset": "fewest_labels"}).text
    assert "Images without a label train along" in unlabelled


def test_the_sentence_is_told_while_somebody_chooses(owner, client):
    url = reverse("candidate_about", args=["rivals_1"])
    told = owner.get(url, controls("rivals_1", "cnn_small", "semi")).text
    assert "consistency training" in told
    assert owner.get(url).text.strip() == ""
    assert client.get(url).status_code == 302


def test_a_running_project_shows_them_as_fixed_and_steers_the_rest(cast, project, sign_in):
    project.settings = {"flip": True, "first": 60, "training": {"epochs": 7, "members_gib": 2}}
    project.arch, project.status = "cnn_small+checkpoints=7", "running"
    project.save()
    run = dashboard_data.start(project)
    run.state = {"state": {"phase": "label"}}
    run.save()
    client = sign_in(cast.manager)
    page = client.get(reverse("project_settings", args=[project.public_id])).text
    assert "Small network, mean of 7 checkpoints" in page
    assert "Labels before the first training" in page
    steer = client.get(reverse("project_steer", args=[project.public_id])).text
    assert "How candidates train is fixed while the run goes on" in steer
    sent = {"acquisition": "margin", "certainty": "margin", "version": str(run.version)}
    sent["fixed_delta"] = "0"
    url = reverse("steer_methods", args=[project.public_id])
    answer = client.post(url, sent | controls("arch", "cnn_small", checkpoints="7"))
    assert answer.status_code == 400
    assert "Give a whole number from 1 to" in answer.text
    assert not SteeringAction.objects.exists()


def test_between_rounds_only_what_no_curve_was_measured_with_changes(project):
    project.settings = {"flip": True, "first": 60, "training": {"epochs": 7, "members_gib": 2}}
    before = Methods.of(project)
    assert before.members_gib == 2
    changed = Methods("cnn_small", (), "margin", "margin", 5, fixed_delta=40, neighbours=3)
    changed.put(project)
    assert project.settings == {
        "flip": True,
        "first": 60,
        "fixed_delta": 40,
        "max_rounds": 5,
        "training": {"epochs": 7.0},
        "weighing": {"neighbours": 3},
    }
    json.dumps(project.settings)
    before.put(project)
    assert TrainingSettings.of(project.settings).training == {"epochs": 7.0, "members_gib": 2.0}
    assert "fixed_delta" not in project.settings


def test_a_round_cannot_have_more_labels_than_there_are_images():
    asked = Methods("cnn_small", (), "margin", "margin", fixed_delta=700)
    assert asked.check(700) == asked.check() == {}
    said = "Labels per round: at most 699, as many as the project has images."
    assert asked.check(699) == {"fixed_delta": said}
