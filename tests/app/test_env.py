"""What the environment gives: the secret key, and who may read the data folder."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest

from labelapp import env
from tests.journeys.product import clean_environment

ROOT = Path(__file__).resolve().parents[2]


def test_the_secret_key_is_made_once_and_is_ours_alone(tmp_path):
    key = env._stored_secret(tmp_path / "var")
    path = tmp_path / "var" / "secret_key"
    assert len(key) >= 50
    assert env._stored_secret(tmp_path / "var") == key == path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["secret_key"]


def test_a_kill_while_the_key_is_written_leaves_no_empty_key(tmp_path, monkeypatch):
    def killed(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            env._stored_secret(tmp_path)
    assert not (tmp_path / "secret_key").exists()
    assert env._stored_secret(tmp_path)


def test_all_who_start_at_once_have_one_key(tmp_path):
    with ThreadPool(6) as pool:
        keys = pool.map(env._stored_secret, [tmp_path / "var"] * 6, chunksize=1)
    assert len(set(keys)) == 1


def test_without_hard_links_the_key_is_made_all_the_same(tmp_path, monkeypatch):
    def refused(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    assert env._stored_secret(tmp_path) == (tmp_path / "secret_key").read_text()


def test_what_a_command_writes_can_be_read_by_nobody_else(tmp_path):
    (tmp_path / "var").mkdir(mode=0o755)
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT, env=clean_environment(tmp_path / "var"), check=True, timeout=90,
    )  # fmt: skip
    files = [path for path in (tmp_path / "var").rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"mcal.sqlite3", "secret_key"}
    assert [path for path in files if path.stat().st_mode & 0o077] == []
