"""Plain text tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return the rows under their head: the first column to the left, the others to the right."""
    lines = [head, *rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def dollars(value: float) -> str:
    """Return "$1,234.50"."""
    return f"${value:,.2f}"


def per_cent(share: float) -> str:
    """Return "12.3 %" for 0.123."""
    return f"{100 * share:.1f} %"
