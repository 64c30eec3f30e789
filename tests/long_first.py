"""Pytest plugin for `--dist loadfile --no-loadscope-reorder`: files that take long start first.

xdist starts with the files of many tests. A file of three tests that take a minute would come
last, and one process would wait for the other.
"""

from __future__ import annotations

from collections import Counter
from pathlib import PurePath

LONG = (
    "*_browser.py",
    "tasks/test_many_annotators.py",
    "tasks/test_kill_processes.py",
    "tasks/test_kill_steps.py",
    "tasks/test_ahead_run.py",
    "tasks/test_people_run.py",
    "tasks/test_run_end_to_end.py",
    "tasks/test_several_networks.py",
    "tasks/test_ahead_training.py",
    "tasks/test_curation_job.py",
    "tasks/test_pretrained_training.py",
    "tasks/test_change_during_audit.py",
    "tasks/test_steering_runs.py",
    "tasks/test_one_truth.py",
    "tasks/test_steering_races.py",
    "tasks/test_steering_images.py",
    "web/test_rights.py",
    "management/test_up.py",
    "management/test_supervisor.py",
    "services/test_labelling_stateful.py",
    "services/test_backup_postgres.py",
    "services/test_label_issues.py",
    "services/test_bulk.py",
    "web/test_browse.py",
    "selectors/test_dashboard_real_run.py",
    "live/test_every_event.py",
    "live/test_live.py",
    "engine/vision/*.py",
    "engine/test_ahead.py",
    "engine/test_simulate.py",
    "engine/test_budget.py",
    "engine/test_steering.py",
    "engine/test_reopened_promise.py",
    "lab/test_people_runs.py",
    "lab/test_paper_imagenet.py",
    "engine/test_audit_simulated.py",
    "engine/test_projects_simulated.py",
    "lab/test_paper.py",
    "lab/test_replay.py",
)


def pytest_collection_modifyitems(items):
    """Sort by file: the long ones as listed, then those of many tests; tests keep their order."""
    tests = Counter(item.path for item in items)
    places = {path: (place(path), -count, str(path)) for path, count in tests.items()}
    items.sort(key=lambda item: places[item.path])


def place(path: PurePath) -> int:
    return next((n for n, name in enumerate(LONG) if path.match(name)), len(LONG))
