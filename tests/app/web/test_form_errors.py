"""The list of errors above a form tells fields apart that have one name."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from labelapp.web.curate_form import usual, values_of
from tests.app.conftest import add_images
from tests.app.curation_world import finish

pytestmark = pytest.mark.django_db


def test_errors_of_two_fields_of_one_name_say_which_is_meant(project, cast, sign_in):
    finish(project, add_images(project, 200))
    sent = {**values_of(usual(project, None)), "model_net": "nothing", "acquirer_net": "nothing"}
    answer = sign_in(cast.manager).post(reverse("curate_start", args=[project.public_id]), sent)
    text = answer.content.decode()
    links = re.findall(r'<a href="#(id_\w+)">([^<]*)</a>', text)
    assert links == [
        ("id_model_net", "The model to be trained: Network"),
        ("id_acquirer_net", "The networks that choose: Network"),
    ]
    assert all(text.count(f'id="{field}"') == 1 for field, _name in links)
