"""Take pictures of every page: light and dark, 390 and 1440 pixels wide, into screenshots/.

Without arguments it starts a product of its own on a temporary folder (first start, demo project
importing, no run yet). `--url`, `--email`, `--password` take pictures of one that runs already.
"""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
PHONE = 500  # narrower screens belong to fingers
SITE_PAGES = ["/", "/projects/new/", "/people/", "/me/", "/me/settings/", "/api/v1/docs/"]
PROJECT_PAGES = [
    *["", "label/", "grid/", "verify/", "review/", "images/", "guidelines/", "people/", "queue/"],
    *["quality/", "quality/rules/", "quality/gold/", "settings/", "export/"],
]


@contextmanager
def own_product(port: int) -> Iterator[tuple[str, str, str]]:
    """Start the product on a temporary folder; give its address, e-mail and password."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "manage.py", "up", "--port", str(port)],
            cwd=ROOT,
            env={"MCAL_DATA_DIR": folder, "PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield read_sign_in(process)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def read_sign_in(process: subprocess.Popen[str]) -> tuple[str, str, str]:
    """Read what the first start prints."""
    text = ""
    for line in process.stdout or []:
        text += line
        if "Ready:" in line:
            break
    url = re.search(r"Ready: (\S+)", text)
    email, password = re.search(r"e-mail\s+(\S+)", text), re.search(r"password\s+(\S+)", text)
    if not (url and email and password):
        sys.exit(f"The product did not start:\n{text}")
    return url[1], email[1], password[1]


def sign_in(page: Page, url: str, email: str, password: str) -> None:
    """Sign in through the form."""
    page.goto(f"{url}/accounts/login/")
    page.fill("input[name=login]", email)
    page.fill("input[name=password]", password)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{url}/")


def addresses(page: Page) -> list[str]:
    """Return every page, those of each project included."""
    links = page.eval_on_selector_all("a[href^='/p/']", "all => all.map(a => a.pathname)")
    projects = sorted({"/".join(link.split("/")[:3]) + "/" for link in links})
    return SITE_PAGES + [base + rest for base in projects for rest in PROJECT_PAGES]


def shoot(browser: Browser, sign: tuple[str, str, str], scheme: str, width: int, out: Path) -> None:
    """Take a picture of every page in one scheme and width; say what the console complains of."""
    size = {"width": width, "height": 900}
    context = browser.new_context(
        color_scheme=scheme,  # type: ignore[arg-type]
        viewport=size,  # type: ignore[arg-type]
        has_touch=width < PHONE,
        is_mobile=width < PHONE,
    )
    page = context.new_page()
    page.on("console", lambda m: print(f"  {page.url}: {m.text}") if m.type == "error" else None)
    page.goto(f"{sign[0]}/accounts/login/")
    page.screenshot(path=out / f"login-{scheme}-{width}.png")
    sign_in(page, *sign)
    for address in addresses(page):
        page.goto(sign[0] + address)
        time.sleep(0.8)  # charts and images
        name = address.strip("/").replace("/", "-") or "projects"
        page.screenshot(path=out / f"{name}-{scheme}-{width}.png", full_page=True)
        if page.evaluate("document.documentElement.scrollWidth > innerWidth + 1"):
            print(f"  {address} is wider than the screen at {width} px")
    context.close()


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url")
    parser.add_argument("--email")
    parser.add_argument("--password")
    parser.add_argument("--out", type=Path, default=ROOT / "screenshots")
    parser.add_argument("--port", type=int, default=8123)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.url:
        take(options.out, (options.url, options.email, options.password))
        return
    with own_product(options.port) as sign:
        take(options.out, sign)


def take(out: Path, sign: tuple[str, str, str]) -> None:
    """Take the pictures in both schemes and widths."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for scheme in ("light", "dark"):
            for width in (390, 1440):
                shoot(browser, sign, scheme, width, out)
        browser.close()
    print(f"Pictures are in {out}")


if __name__ == "__main__":
    main()
