"""The paper's experiments by name: `python -m mcal_engine experiment table1 ...` (docs/paper.md).

Each prints our figures beside the paper's, under both accountings, and names the recordings that
it could use and was not given.
"""

from __future__ import annotations

from mcal_engine.lab.experiments import Experiment
from mcal_engine.lab.paper_choices import fig5_6_11, fig13, fig14_15
from mcal_engine.lab.paper_deltas import fig7_10, fig12, fig16_18, fig19_21, table2
from mcal_engine.lab.paper_fits import fig2_4, fig22_27
from mcal_engine.lab.paper_imagenet import imagenet
from mcal_engine.lab.paper_tables import table1, table3

PAPER: dict[str, Experiment] = {
    "table1": table1,
    "table2": table2,
    "table3": table3,
    "fig2-4": fig2_4,
    "fig5-6-11": fig5_6_11,
    "fig7-10": fig7_10,
    "fig12": fig12,
    "fig13": fig13,
    "fig14-15": fig14_15,
    "fig16-18": fig16_18,
    "fig19-21": fig19_21,
    "fig22-27": fig22_27,
    "imagenet": imagenet,
}
WITHOUT_RECORDINGS = frozenset({"imagenet"})
