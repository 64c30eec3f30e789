"""`manage.py transfer`: the engine is called on the folder of a search, with its pixels packed."""

from __future__ import annotations

import json
import subprocess

import pytest
from django.core.management import CommandError, call_command

from labelapp.selectors import curations
from labelapp.services import pool_tensor
from tests.app.conftest import add_images
from tests.app.curation_world import finish, searched


def test_another_network_on_what_a_search_kept(project, cast, monkeypatch):
    finish(project, add_images(project, 20))
    done, packed, called = searched(project, cast.manager), [], []
    folder = curations.folder(done)
    code = 0

    def run(command, **_options):
        called.append(command)
        return subprocess.CompletedProcess(command, code)

    monkeypatch.setattr(pool_tensor, "ensure", lambda project, n, report: packed.append(n))
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(CommandError, match="cannot be used"):
        call_command("transfer", done.pk, arch="resnet18")
    (folder / "request.json").write_text(json.dumps({"images": "/somewhere/pool/20.npy"}))
    call_command("transfer", done.pk, arch="resnet18", seeds="0,1")
    assert packed == [20]
    assert called[0][2:] == [
        *("mcal_engine", "transfer", "--job", str(folder)),
        *("--arch", "resnet18", "--seeds", "0,1"),
    ]
    code = 2
    with pytest.raises(CommandError, match="ended with an error"):
        call_command("transfer", done.pk, arch="resnet18")
    with pytest.raises(CommandError, match="no such search"):
        call_command("transfer", done.pk + 1, arch="resnet18")
