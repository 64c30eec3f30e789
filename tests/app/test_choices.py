"""The names that pages offer are exactly those that the engine has."""

from __future__ import annotations

from labelapp import choices
from labelapp.services.terms import Method
from mcal_engine import config, selection, types


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
