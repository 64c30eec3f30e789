"""What is known before Django is set up."""

from __future__ import annotations

import sys
from pathlib import Path

FAKE_TRAINER = [sys.executable, str(Path(__file__).with_name("fake_trainer.py"))]

FAKE_SEARCH = [sys.executable, str(Path(__file__).with_name("fake_search.py"))]
"""The search for a training set: a part of the labels, kept by chance."""
