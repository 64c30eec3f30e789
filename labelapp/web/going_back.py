"""The way back to the page that a button stood on: an address of ours, never the name of a view."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme


def back(request: HttpRequest, otherwise: str) -> HttpResponseRedirect:
    """Redirect to the path that the form sent as `next`, else to the path `otherwise`.

    Only paths on this server count: what names a host or a scheme, or leads elsewhere by the way
    that browsers read it, is not followed.
    """
    there = request.POST.get("next", "")
    safe = there.startswith("/") and url_has_allowed_host_and_scheme(there, allowed_hosts=None)
    return HttpResponseRedirect(there if safe else otherwise)
