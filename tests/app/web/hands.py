"""Keys that no keyboard here has, and fingers on the picture, for tests in a browser."""

from __future__ import annotations


def dispatch(page, **event) -> None:
    """Send a key press that no real keyboard here can make."""
    made = {"bubbles": True, "cancelable": True, **event}
    page.wait_for_timeout(90)
    page.evaluate("(e) => document.body.dispatchEvent(new KeyboardEvent('keydown', e))", made)


def swipe(page, dx: int, dy: int) -> None:
    """Move one finger across the picture."""
    box = page.locator("#stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = page.context.new_cdp_session(page)
    page.wait_for_timeout(90)
    touch.send(
        "Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]}
    )
    for part in range(1, 5):
        point = {"x": x + dx * part / 4, "y": y + dy * part / 4}
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [point]})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def pinch(page, *gaps: float) -> None:
    """Move two fingers, so far from the middle of the picture at first, then, ..., at the end."""
    box = page.locator("#stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = page.context.new_cdp_session(page)
    for number, gap in enumerate(gaps):
        points = [{"x": x - gap, "y": y, "id": 1}, {"x": x + gap, "y": y, "id": 2}]
        kind = "touchMove" if number else "touchStart"
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
