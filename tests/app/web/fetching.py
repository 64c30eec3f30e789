"""Fetch streamed answers in tests, the way the ASGI server does."""

from __future__ import annotations

from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client


def fetch(client: Client, url: str, **headers: str):
    """GET with the client's session; return (response, body)."""
    asynchronous = AsyncClient()
    asynchronous.cookies = client.cookies

    async def get():
        response = await asynchronous.get(url, headers=headers)
        if not response.streaming:
            return response, response.content
        return response, b"".join([piece async for piece in response.streaming_content])

    return async_to_sync(get)()
