"""The names that pages offer are exactly those that the engine has."""

from __future__ import annotations

import pytest

from labelapp import choices
from labelapp.services.terms import Method
from mcal_engine import candidates, config, selection, types


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


def test_ensembles_are_candidates_that_the_engine_knows():
    for name in choices.ENSEMBLES:
        candidate = candidates.parse(name)
        assert candidate.name == name
        assert candidate.members > 1
        assert candidate.net in choices.ARCHITECTURES
    assert set(types.ENSEMBLE_MEASURES) == choices.DISAGREEMENT


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
