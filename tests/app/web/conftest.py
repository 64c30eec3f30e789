"""Fixtures of the tests that use a real browser; each module has a `site` of its own.

Fixtures only, and none of them by itself: Playwright's sync API and the ORM do not go together.
"""

from __future__ import annotations

import pytest

from tests.app.web.labelling_pages import chromium, visits


@pytest.fixture(scope="module")
def browser():
    with chromium() as running:
        yield running


@pytest.fixture
def visit(site, browser):
    """Return a function that opens the labelling page as Ann, or as somebody else."""
    with visits(site, browser) as open_page:
        yield open_page
