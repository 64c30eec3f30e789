"""Figures of the lab: plain lines, levels and bands, each as PNG and SVG, by matplotlib.

matplotlib is a tool of development (requirements-dev.txt), so it is imported only when a figure
is drawn, and never needs a screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcal_engine.errors import EngineError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0b6e99", "#d1495b", "#5b8c5a", "#8e6c8a", "#c98b2b", "#3d405b", "#7a7a7a")
MARKS = "osD^v"  # where there are more lines than colours
INSIDE = 5  # names that find room within the axes; more of them stand beside, where no point is
MARKED = 40  # points of a line; one of more is a curve and has no marks
SIZE = (6.4, 4.0)  # inches, of one panel
STYLE: dict[str, Any] = {
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "svg.hashsalt": "mcal",
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Line:
    """One series. `low` and `high` draw a band around it; `dots` leaves the line out."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    dots: bool = False
    dashed: bool = False


@dataclass(frozen=True)
class Level:
    """A horizontal line over the whole width, such as what labelling by hand costs."""

    label: str
    y: float


@dataclass(frozen=True)
class Panel:
    """One pair of axes and all that is drawn on it. `log_x`, `log_y`: logarithmic axes."""

    title: str
    x_label: str
    y_label: str
    lines: Sequence[Line] = ()
    levels: Sequence[Level] = ()
    log_x: bool = False
    log_y: bool = False
    from_zero: bool = True


def save(stem: Path, *panels: Panel) -> list[Path]:
    """Draw the panels side by side into `stem`.png and `stem`.svg; return both paths.

    Equal data give equal SVG bytes. Raises `EngineError` where matplotlib is not installed.
    """
    try:
        from matplotlib import style  # noqa: PLC0415 - only where a figure is drawn
    except ImportError as error:
        raise EngineError(
            "figures need matplotlib: pip install -r requirements-dev.txt, or leave them out "
            "with --no-figures"
        ) from error
    paths = [stem.with_name(f"{stem.name}.{kind}") for kind in ("png", "svg")]
    with style.context(STYLE):
        figure = _draw(panels)
        for path in paths:
            figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else {})
    return paths


def _draw(panels: Sequence[Panel]) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(SIZE[0] * len(panels), SIZE[1]), layout="constrained")
    FigureCanvasAgg(figure)
    for position, panel in enumerate(panels, start=1):
        _fill(figure.add_subplot(1, len(panels), position), panel)
    return figure


def _fill(axes: Axes, panel: Panel) -> None:
    for colour, mark, line in zip(*_looks(len(panel.lines)), panel.lines, strict=True):
        style = "none" if line.dots else "--" if line.dashed else "-"
        point = mark if len(line.x) <= MARKED else ""
        axes.plot(line.x, line.y, color=colour, linestyle=style, marker=point, label=line.label)
        if line.low and line.high:
            axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.15, linewidth=0)
    for k, level in enumerate(panel.levels):
        dash = (0, (6 - 2 * (k % 3), 2))
        axes.axhline(level.y, color="#404040", linewidth=1.0, linestyle=dash, label=level.label)
    axes.set(title=panel.title, xlabel=panel.x_label, ylabel=panel.y_label)
    if panel.log_x:
        axes.set_xscale("log")
    if panel.log_y:
        axes.set_yscale("log")
    elif panel.from_zero:
        axes.set_ylim(bottom=0)
    _name(axes, len(panel.lines) + len(panel.levels))


def _name(axes: Axes, count: int) -> None:
    """Add the legend: within the axes where it covers little, beside them where it is long."""
    if count > INSIDE:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)
    elif count:
        axes.legend()


def _looks(count: int) -> tuple[list[str], list[str]]:
    """Return a colour and a mark for each of so many lines, no two alike while there are any."""
    each = range(count)
    colours = [COLOURS[k % len(COLOURS)] for k in each]
    return colours, [MARKS[k // len(COLOURS) % len(MARKS)] for k in each]
