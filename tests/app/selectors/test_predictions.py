"""What is shown of a model, to whom, and what never is."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from labelapp.models import Iteration
from labelapp.selectors import predictions
from labelapp.selectors.predictions import Asked, Rows, guesses_of, model_of, top_of
from tests.app.conftest import open_batch
from tests.app.model_help import add_model

PROBS = np.tile([0.2, 0.7, 0.1], (20, 1))


def asked(images, purpose: str = "train") -> list[Asked]:
    return [Asked(image.seq, image.pk, purpose) for image in images]


@pytest.fixture
def shown(project, images):
    """A running project whose newest model prefers class 1, then 0, then 2."""
    open_batch(project, images, "train")
    probs = PROBS.copy()
    probs[3] = [0.5, 0.1, 0.4]
    add_model(project, probs)
    return project


def test_the_most_probable_classes_come_first(shown, images):
    found = top_of(shown, asked(images[2:4]))
    assert found == {2: [1, 0, 2], 3: [0, 2, 1]}
    assert top_of(shown, asked(images[3:4]), count=2) == {3: [0, 2]}


@pytest.mark.parametrize("purpose", ["residual", "ahead", "train"])
def test_batches_that_measure_nothing_show_them(shown, images, purpose):
    assert set(top_of(shown, asked(images[:2], purpose))) == {0, 1}


@pytest.mark.parametrize("purpose", ["test", "audit", "gold", "seed", "review", ""])
def test_batches_that_measure_show_none(shown, images, purpose):
    assert top_of(shown, asked(images, purpose)) == {}
    assert guesses_of(shown, asked(images, purpose)) == {}


def test_marked_images_never_show_any(shown, images):
    shown.run.test_marks.create(image=images[5], seq=5)
    assert set(top_of(shown, asked(images))) == set(range(20)) - {5}
    assert set(guesses_of(shown, asked(images))) == set(range(20)) - {5}


def test_a_project_without_predictions_shows_none(shown, images):
    shown.predictions = False
    assert top_of(shown, asked(images)) == {}
    assert guesses_of(shown, asked(images)) == {}


def test_archived_classes_are_left_out(shown, images):
    shown.classes.filter(index=0).update(archived=True)
    predictions.forget()
    assert top_of(shown, asked(images[:1])) == {0: [1, 2]}


def test_without_a_model_or_its_file_there_are_none(project, images):
    open_batch(project, images, "train")
    assert top_of(project, asked(images)) == {}
    assert model_of(project) == ""
    model = add_model(project, PROBS)
    shutil.rmtree(predictions.model_folder(project))
    predictions.forget()
    assert model_of(project) == model.sha256
    assert top_of(project, asked(images)) == {}
    assert guesses_of(project, asked(images)) == {}


def test_a_broken_file_is_as_good_as_none(shown, images):
    (predictions.model_folder(shown) / "probs.npy").write_bytes(b"\x93NUMPY\x01\x00\x05\x00x")
    predictions.forget()
    assert top_of(shown, asked(images)) == {}


def test_images_that_came_after_the_model_are_missing(shown, images):
    assert set(top_of(shown, [Asked(19, images[19].pk, "train"), Asked(20, 999, "train")])) == {19}


def test_a_guess_is_the_class_and_its_probability(shown, images):
    guess = guesses_of(shown, asked(images[:1]))[0]
    assert guess.class_index == 1
    assert guess.confidence == pytest.approx(0.7)


def test_the_newest_model_counts(shown, images):
    add_model(shown, PROBS[:, [1, 0, 2]])
    assert top_of(shown, asked(images[:1])) == {0: [0, 1, 2]}


def test_of_several_networks_the_leader_counts(shown, images):
    leader = add_model(shown, PROBS[:, [2, 1, 0]], iteration=2)
    add_model(shown, PROBS[:, [1, 0, 2]], iteration=2, arch="resnet18")
    iteration = {"run": shown.run, "number": 2, "train_size": 1, "delta": 1}
    Iteration.objects.create(**iteration, record={}, seconds=1, dollars=0, model=leader)
    predictions.forget()
    assert model_of(shown) == leader.sha256


def test_what_is_known_is_not_asked_again(shown, images, django_assert_num_queries):
    top_of(shown, asked(images))
    with django_assert_num_queries(1):  # the marks
        top_of(shown, asked(images))
    with django_assert_num_queries(0):
        top_of(shown, asked(images, "test"))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.uint16, np.uint8])
def test_rows_are_those_of_numpy(tmp_path: Path, kind):
    array = np.arange(12).reshape(4, 3).astype(kind)
    np.save(tmp_path / "a.npy", array)
    rows = Rows(tmp_path / "a.npy")
    assert [list(rows.row(i)) for i in range(len(rows))] == array.tolist()
    with pytest.raises(IndexError):
        rows.row(4)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.uint16, np.uint8])
def test_a_column_is_all_rows(tmp_path: Path, kind):
    np.save(tmp_path / "a.npy", np.arange(7).astype(kind))
    assert list(Rows(tmp_path / "a.npy").column()) == list(range(7))


def test_many_guesses_are_those_of_the_rows(shown, images, monkeypatch):
    few = predictions.guesses(shown, range(25))
    monkeypatch.setattr(predictions, "_MANY", 1)
    assert predictions.guesses(shown, range(25)) == few
    assert set(few) == set(range(20))


@pytest.mark.parametrize(
    "array", [np.zeros((2, 2), order="F").astype("<f4", order="F"), np.zeros(3, "<f8")]
)
def test_other_arrays_are_refused(tmp_path: Path, array):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(ValueError, match="rows"):
        Rows(tmp_path / "a.npy")
