"""Settings of training and presets: what a run holds, and what is refused."""

import argparse
from dataclasses import fields, replace

import pytest

from mcal_engine import mcal, presets, selection, state_io, training
from mcal_engine.errors import InvalidConfigError
from mcal_engine.options import add_run_options, run_config
from mcal_engine.training import OPTIONS, Pseudo, Semi
from tests.engine.support import config


def test_every_part_has_its_options_and_their_usual_values_are_in_range():
    for part, kind in (("pseudo", Pseudo), ("semi", Semi)):
        names = {f"{part}_{field.name}": field.default for field in fields(kind)}
        assert set(names) == {name for name in OPTIONS if name.startswith(f"{part}_")}
        assert training.checked(names) == names


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"speed": 1}, "no training setting 'speed'"),
        ({"epochs": 0}, "epochs must be a whole number from 1"),
        ({"epochs": 1.5}, "epochs must be a whole number"),
        ({"batch": True}, "batch must be a whole number"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number"),
        ({"learning_rate": "fast"}, "learning_rate must be a number"),
        ({"pseudo_weight": 2.0}, "pseudo_weight must be a number from 0.001 to 1"),
        ({"pseudo_threshold": 0.6}, "pseudo_floor (0.85) must not exceed"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(wrong, words):
    with pytest.raises(InvalidConfigError) as refused:
        mcal.start(config(training=wrong))
    assert words in str(refused.value)


def test_settings_go_where_they_belong():
    given = {"epochs": 15.0, "sgd": 1.0, "learning_rate": 0.05, "pseudo_weight": 0.3}
    assert training.recipe_of(given) == {"epochs": 15, "optimizer": "sgd", "learning_rate": 0.05}
    assert training.pseudo_of(given) == Pseudo(weight=0.3)
    assert training.semi_of(given) == Semi()


def test_a_run_keeps_them():
    state, _ = mcal.start(config(training={"epochs": 15, "batch": 32}, first=77))
    again = state_io.load(state_io.dump(state))
    assert again == state
    assert again.config.training == {"epochs": 15, "batch": 32}


def test_a_state_of_before_has_none():
    state, _ = mcal.start(config())
    text = state_io.dump(state).replace(',"first":null', "").replace(',"training":{}', "")
    assert "training" not in text.split('"records"')[0].replace("trainings", "")
    assert state_io.load(text) == state


def test_a_first_size_is_taken_at_its_word():
    assert selection.seed_size(config(first=123)) == 123
    with pytest.raises(InvalidConfigError, match="at least one first label"):
        mcal.start(config(first=0))
    with pytest.raises(InvalidConfigError, match="too few"):
        mcal.start(config(n=2000, first=1900))


# --- presets and the command line -----------------------------------------------------------------


def made(*arguments):
    parser = argparse.ArgumentParser()
    add_run_options(parser)
    return run_config(parser.parse_args(arguments), 60_000, 10)


def test_the_usual_preset_changes_nothing():
    assert made("--preset", "usual") == made()
    assert (made().arch, made().rivals, made().first, made().training) == (
        "cnn_small",
        (),
        None,
        {},
    )


def test_the_papers_preset_has_the_papers_values():
    found = made("--preset", "budget_annotator")
    assert (found.first, found.fixed_delta) == (10_000, 1_000)
    assert found.training["epochs"] == 15
    assert (found.training["batch"], found.training["learning_rate"]) == (32, 0.05)
    assert [arch.split("+")[0] for arch in found.archs] == [
        "densenet121",
        "googlenet",
        "resnet18",
        "squeezenet1_1",
        "inception_v3",
    ]
    mcal.start(found)


def test_the_preset_of_the_fewest_labels_races_consistency_training():
    found = made("--preset", "fewest_labels")
    assert found.archs == ("cnn_small", "cnn_small+semi")
    assert (found.first, found.fixed_delta, found.training) == (None, None, {})
    mcal.start(found)


def test_what_is_said_wins_over_the_preset():
    found = made(
        *("--preset", "budget_annotator", "--first", "500", "--fixed-delta", "50", "--epochs", "3"),
        *("--rate", "0.1", "--arch", "cnn_small", "--training", "pseudo_weight=0.2"),
    )
    assert (found.first, found.fixed_delta, found.archs) == (500, 50, ("cnn_small",))
    assert found.training["epochs"] == 3
    assert found.training["learning_rate"] == 0.1
    assert found.training["pseudo_weight"] == 0.2
    assert found.training["batch"] == 32


def test_a_setting_that_is_no_number_is_refused():
    with pytest.raises(InvalidConfigError, match="NAME=NUMBER"):
        made("--training", "epochs=many")
    with pytest.raises(InvalidConfigError, match="no preset"):
        presets.preset("fast")


def test_every_preset_is_valid():
    for preset in presets.PRESETS.values():
        training.checked(preset.training)
        assert replace(made(), training=preset.training)
