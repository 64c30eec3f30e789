"""What stands in the log."""

from __future__ import annotations

import logging

import pytest
from django.conf import settings
from django.utils.module_loading import import_string

from labelapp.services import accounts


@pytest.fixture
def lines():
    """The lines that the console's handler would write."""
    found: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(self.format(record))

    handler = Keeper()
    for name in settings.LOGGING["handlers"]["console"]["filters"]:
        handler.addFilter(import_string(settings.LOGGING["filters"][name]["()"])())
    logging.getLogger("django.request").addHandler(handler)
    yield found
    logging.getLogger("django.request").removeHandler(handler)


def test_a_reset_link_that_is_still_good_does_not_stand_in_the_log(cast, client, lines):
    cast.owner.is_superuser = True
    cast.owner.save()
    _, token = accounts.create_reset_link(actor=cast.owner, user_id=cast.annotator.pk)
    assert client.post(f"/reset/{token}/", {"password": "weak"}).status_code == 400
    assert lines == ["Bad Request: /reset/***/"]


def test_other_lines_stay_as_they_are(client, db, lines):
    client.get("/nothing/here/")
    assert lines == ["Not Found: /nothing/here/"]
