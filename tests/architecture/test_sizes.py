"""Small functions, small files: the trouble always sits in the one or two that grew."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("labelapp", "mcal_engine")


def sources() -> list[Path]:
    return [
        path
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if "migrations" not in path.parts
    ]


def function_lengths() -> dict[str, int]:
    lengths = {}
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                name = f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"
                lengths[name] = (node.end_lineno or node.lineno) - node.lineno + 1
    return lengths


def test_no_file_is_over_400_lines():
    long = {str(p): n for p in sources() if (n := p.read_text().count("\n")) > 400}
    assert long == {}


def test_no_function_is_over_60_lines():
    assert {name: n for name, n in function_lengths().items() if n > 60} == {}


def test_functions_are_small_on_the_whole():
    lengths = sorted(function_lengths().values())
    assert statistics.median(lengths) <= 12
    assert lengths[int(0.95 * len(lengths))] <= 40


def test_the_algorithm_fits_in_300_lines():
    assert (ROOT / "mcal_engine" / "mcal.py").read_text().count("\n") < 300


@pytest.mark.parametrize("folder", ["static", "templates"])
def test_nothing_is_fetched_from_elsewhere(folder):
    """No CDN: no address of another host in what the browser loads (vendored code aside)."""
    guilty = []
    for path in (ROOT / folder).rglob("*"):
        if path.suffix in {".html", ".js", ".css"} and "vendor" not in path.parts:
            text = path.read_text()
            guilty += [
                f"{path.relative_to(ROOT)}: {line.strip()[:80]}"
                for line in text.splitlines()
                if any(
                    mark in line for mark in ('src="http', 'href="http', "url(http", "@import url")
                )
            ]
    assert guilty == []


def test_templates_carry_no_inline_script_style_or_handler():
    """The Content-Security-Policy would silently drop them."""
    pattern = re.compile(
        r"\sstyle=|<style|\son[a-z]+=\"|hx-on|<script(?![^>]*\bsrc=)(?![^>]*application/json)",
        re.IGNORECASE,
    )
    guilty = [
        f"{path.relative_to(ROOT)}: {match.group(0)}"
        for path in (ROOT / "templates").rglob("*.html")
        for match in [pattern.search(path.read_text())]
        if match
    ]
    assert guilty == []


def test_vendored_files_carry_their_licence_and_version():
    folders = [path for path in (ROOT / "static" / "vendor").iterdir() if path.is_dir()]
    assert folders
    for folder in folders:
        names = {path.name.upper().partition(".")[0] for path in folder.iterdir()}
        assert {"LICENSE", "VERSION"} <= names, folder


def test_no_binary_or_large_file_slips_in():
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    large = [name for name in tracked if name and (ROOT / name).stat().st_size > 6_000_000]
    assert large == []
