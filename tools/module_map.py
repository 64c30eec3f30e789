"""Write the map of all modules into docs/architecture.md, from their docstrings.

`python tools/module_map.py` writes it; `--check` only says whether it is up to date.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
START, END = "<!-- map: made by tools/module_map.py -->\n", "<!-- end of map -->\n"


def purpose(path: Path) -> str:
    """Return the first sentence of a module's docstring."""
    text = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n\n")[0]
    return " ".join(text.split()).replace("|", "\\|")


def modules(folder: Path) -> list[Path]:
    """Return the modules directly in a package, the package itself and migrations left out."""
    return [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]


def packages() -> list[Path]:
    """Return both packages and all below them that hold modules."""
    found = []
    for top in (ROOT / "mcal_engine", ROOT / "labelapp"):
        folders = [top, *sorted(path for path in top.rglob("*") if path.is_dir())]
        found += [f for f in folders if "migrations" not in f.parts and modules(f)]
    return found


def made() -> str:
    """Return the whole map as Markdown."""
    parts = []
    for folder in packages():
        rows = "".join(f"| `{path.name}` | {purpose(path)} |\n" for path in modules(folder))
        parts.append(
            f"### {folder.relative_to(ROOT)}/\n\n| module | what it is for |\n|---|---|\n{rows}"
        )
    return "\n".join(parts)


def main() -> int:
    """Write or check the page."""
    page = PAGE.read_text()
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    whole = f"{before}{START}\n{made()}\n{END}{after}"
    if "--check" in sys.argv:
        return int(page != whole)
    PAGE.write_text(whole)
    return 0


if __name__ == "__main__":
    sys.exit(main())
