"""Names of candidates: one spelling each, and words for what does not go together."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcal_engine import candidates
from mcal_engine.errors import InvalidConfigError


@given(
    net=st.sampled_from(["cnn_small", "resnet18", "paper_resnet50"]),
    checkpoints=st.integers(1, 30),
    seeds=st.integers(1, 30),
    weights=st.sampled_from([candidates.FRESH, candidates.TUNED]),
    learns=st.sampled_from(["", "pseudo"]),
)
def test_a_name_says_all_and_has_one_spelling(net, checkpoints, seeds, weights, learns):
    one = candidates.Candidate(net, checkpoints, seeds, weights, pseudo=learns == "pseudo")
    assert candidates.parse(one.name) == one
    shuffled = "+".join([net, *reversed(one.name.split("+")[1:])])
    assert candidates.canonical(shuffled) == one.name
    assert one.members == checkpoints * seeds


def test_the_parts():
    one = candidates.parse("cnn_small+checkpoints=20+seeds=5")
    assert (one.net, one.checkpoints, one.seeds, one.members) == ("cnn_small", 20, 5, 100)
    assert candidates.parse("resnet18+frozen").weights == candidates.FROZEN
    assert candidates.parse("cnn_small+semi").semi
    assert candidates.parse("cnn_small+checkpoints=1").name == "cnn_small"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "+semi",
        "cnn small",
        "../weights",
        "cnn_small+",
        "cnn_small+unknown",
        "cnn_small+semi+semi",
        "cnn_small+checkpoints",
        "cnn_small+checkpoints=",
        "cnn_small+checkpoints=-2",
        "cnn_small+checkpoints=0",
        "cnn_small+checkpoints=²",
        "cnn_small+seeds=1001",
        "cnn_small+checkpoints=100+seeds=100",
        "cnn_small+frozen=1",
        "resnet18+frozen+tuned",
        "resnet18+frozen+seeds=5",
        "resnet18+semi+tuned",
        "cnn_small+pseudo+semi",
        "x" * 81,
    ],
)
def test_what_makes_no_sense_is_refused(name):
    with pytest.raises(InvalidConfigError):
        candidates.parse(name)
