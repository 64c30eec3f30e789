"""Figures come as PNG and SVG, the same each time, and say what is missing."""

import builtins
import sys

import pytest

from mcal_engine.errors import EngineError
from mcal_engine.lab.figures import Level, Line, Panel, save

PANEL = Panel(
    title="Cost",
    x_label="training set",
    y_label="dollars",
    lines=[
        Line("MCAL", [1, 2, 3], [9.0, 7.0, 8.0], low=[8.0, 6.5, 7.5], high=[10.0, 8.0, 9.0]),
        Line("naive", [1, 2, 3], [9.5, 9.0, 8.5], dots=True),
    ],
    levels=[Level("by hand", 12.0)],
)


def test_a_figure_is_written_twice(tmp_path):
    paths = save(tmp_path / "cost", PANEL)
    assert [path.name for path in paths] == ["cost.png", "cost.svg"]
    assert paths[0].read_bytes().startswith(b"\x89PNG")
    text = paths[1].read_text()
    assert all(word in text for word in ("MCAL", "naive", "by hand", "dollars"))


def test_equal_data_give_equal_svg(tmp_path):
    one, two = (save(tmp_path / name, PANEL)[1].read_bytes() for name in ("a", "b"))
    assert one == two


def test_panels_stand_side_by_side(tmp_path):
    other = Panel("Other", "x", "y", [Line("a", [1, 10], [1, 2])], log_x=True, log_y=True)
    text = save(tmp_path / "two", PANEL, other)[1].read_text()
    assert "Cost" in text
    assert "Other" in text


def test_names_with_dots_stay_whole(tmp_path):
    assert save(tmp_path / "price-0.04", PANEL)[1].name == "price-0.04.svg"


def test_missing_matplotlib_is_said_plainly(tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.partition(".")[0] == "matplotlib":
            raise ImportError(name)
        return real(name, *rest)

    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(EngineError, match=r"requirements-dev\.txt"):
        save(tmp_path / "none", PANEL)
