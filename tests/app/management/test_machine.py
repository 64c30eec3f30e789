"""What a worker says of its machine: cheap, and quiet where something is missing."""

from __future__ import annotations

import subprocess

import pytest

from labelapp.management import machine


def test_the_facts_have_what_the_page_shows(monkeypatch, settings, tmp_path):
    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(machine, "_gpus", list)
    facts = machine.facts()
    assert {"cpu", "cores", "memory", "gpus", "disk", "versions"} <= facts.keys()
    assert facts["memory"][0] <= facts["memory"][1]
    assert "mcal" in facts["versions"]


def test_accelerators_are_read_from_the_drivers_program(monkeypatch):
    said = "NVIDIA H200, 87, 1000, 143771\nNVIDIA H200 MIG, [N/A], 5, 100\n"
    monkeypatch.setattr(machine.shutil, "which", lambda _name: "/bin/true")
    done = subprocess.CompletedProcess([], 0, stdout=said)
    monkeypatch.setattr(machine.subprocess, "run", lambda *_, **__: done)
    assert machine.read_gpus() == [
        {"name": "NVIDIA H200", "used": 87.0, "memory": [1000 << 20, 143771 << 20]}
    ]


@pytest.mark.parametrize("error", [OSError(), subprocess.TimeoutExpired("nvidia-smi", 2)])
def test_a_driver_in_trouble_means_none(monkeypatch, error):
    def fail(*_args, **_options):
        raise error

    monkeypatch.setattr(machine.shutil, "which", lambda _name: "/bin/true")
    monkeypatch.setattr(machine.subprocess, "run", fail)
    assert machine.read_gpus() == []


def test_it_is_asked_seldom():
    asked = []
    seldom = machine._Seldom(60, lambda: asked.append(1) or [])
    seldom()
    seldom()
    assert asked == [1]
