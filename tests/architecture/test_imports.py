"""Who may import whom, and what a web process must never load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_import_contracts_hold():
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint_imports], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_importing_the_web_server_does_not_import_torch_or_scipy():
    loaded = run_python(
        "import labelapp.asgi, labelapp.urls, sys; "
        "print([m for m in ('torch', 'torchvision', 'scipy') if m in sys.modules])"
    )
    assert loaded == "[]"


def test_importing_the_worker_does_not_import_torch():
    loaded = run_python(
        "import django; django.setup(); import labelapp.tasks, labelapp.engine, sys; "
        "print('torch' in sys.modules)"
    )
    assert loaded == "False"


def test_importing_the_engine_does_not_import_torch():
    assert (
        run_python("import mcal_engine, mcal_engine.mcal, sys; print('torch' in sys.modules)")
        == "False"
    )


def test_the_engine_works_where_django_is_not_installed():
    run_python("import tests.no_django, mcal_engine.simulate, mcal_engine.vision.program")
