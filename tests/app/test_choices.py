"""The names that pages offer are exactly those that the engine has."""

from __future__ import annotations

import pytest

from labelapp import choices, engine_candidates
from labelapp.selectors import candidate_words
from labelapp.services.terms import Method
from labelapp.web import training_fields
from mcal_engine import candidates, config, presets, selection, training, types


def test_certificates_and_models_are_the_engines():
    assert set(choices.CERTIFICATES) == {kind.value for kind in config.CertificateKind}
    assert set(choices.CERTIFICATE_WORDS) == set(choices.CERTIFICATES)
    assert set(choices.CURVE_MODELS) == {model.value for model in config.CurveModel}
    assert set(choices.COST_MODELS) == {model.value for model in config.CostModel}


def test_what_people_label_next_and_what_the_machine_is_sure_of_are_the_engines():
    assert set(choices.ACQUISITIONS) == set(selection.ACQUISITIONS)
    assert set(choices.CERTAINTIES) == set(types.MEASURES)


def test_networks_are_the_engines():
    from mcal_engine.vision import nets  # noqa: PLC0415 - torch takes a second to import

    assert set(choices.ARCHITECTURES) == set(nets.ARCHITECTURES)


def test_the_ways_to_train_are_the_engines_and_each_says_what_it_is_for():
    ways = {way for way in choices.WAYS if way != choices.PLAIN}
    parts = ways - choices.PRETRAINED | {"tuned", "frozen"}
    assert parts | {"checkpoints", "seeds"} == set(candidates.PARTS)
    for way in choices.WAYS:
        name = engine_candidates.Parts("resnet18", way).name
        assert engine_candidates.parts_of(name).way == way
        assert candidate_words.candidate_about(name)
    assert set(candidate_words.PURPOSES) == {choices.PLAIN, *parts}
    assert set(types.ENSEMBLE_MEASURES) == choices.DISAGREEMENT


def test_the_files_of_weights_are_torchvisions():
    from mcal_engine.vision import weights  # noqa: PLC0415 - torch takes a second to import

    files = {net: tuple(weights.published_files(net)) for net in choices.ARCHITECTURES}
    assert {net: names for net, names in files.items() if names} == choices.WEIGHT_FILES


def test_presets_and_settings_are_the_engines():
    assert set(training_fields.PRESET_WORDS) == set(presets.PRESETS)
    assert set(training.OPTIONS) == set(training_fields.WORDS) - {
        *("first", "fixed_delta", "neighbours", "representativeness", "uncertainty")
    }
    grouped = [name for _title, names in training_fields.GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(training_fields.WORDS)
    from mcal_engine.vision.recipes import Recipe  # noqa: PLC0415 - torch takes a second to import

    for name in ("tail", "tail_rate", "spacing"):
        assert engine_candidates.usual_value(name) == getattr(Recipe(), name)


@pytest.mark.parametrize("acquisition", sorted(choices.DISAGREEMENT))
def test_one_network_cannot_disagree_with_itself(acquisition):
    together, alone = "cnn_small+checkpoints=5", "cnn_small"
    assert "acquisition" in Method(acquisition=acquisition).check()
    mixed = Method(acquisition=acquisition, arch=together, rivals=(alone,))
    assert set(mixed.check()) == {"acquisition"}
    both = Method(acquisition=acquisition, arch=together, rivals=("cnn_small+seeds=5",))
    assert both.check() == {}


def test_the_usual_method_is_the_engines_own():
    engine = config.RunConfig(
        n=1, classes=2, prices=config.Prices(1, 1), target=config.Target(0.05)
    )
    usual = Method()
    assert (usual.arch, usual.rivals, usual.acquisition) == (
        engine.arch,
        engine.rivals,
        engine.acquisition,
    )
    assert (usual.certainty, usual.curve_model) == (engine.confidence, engine.curves.value)
    assert usual.cost_model == engine.cost_model.value
