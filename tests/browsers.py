"""How the tests start a browser: Debian's Chromium, without what no page of ours needs."""

from __future__ import annotations

from playwright.sync_api import Browser, Playwright

CHROMIUM = "/usr/bin/chromium"
NOT_OURS = ("WebUIOmniboxPopup", "WebUIOmniboxFullPopup", "WebUIOmniboxAimPopup")
"""The address bar's own pages: loading them took more than half of what a new window costs."""
PLAYWRIGHTS = (
    "AimEnabled",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsFirstBalancedModeAutoEnable",
    "HttpsUpgrades",
    "LensOverlay",
    "MediaRouter",
    "NetworkTimeServiceQuerying",
    "OptimizationHints",
    "PaintHolding",
    "PreconnectToSearch",
    "ThirdPartyStoragePartitioning",
)
"""What Playwright switches off itself (its chromiumSwitches.ts); the last list given counts."""


def launched(playwright: Playwright, *options: str) -> Browser:
    """Start the browser; `options` are more of Chromium's own."""
    off = "--disable-features=" + ",".join((*PLAYWRIGHTS, *NOT_OURS))
    return playwright.chromium.launch(
        executable_path=CHROMIUM, args=["--no-sandbox", off, *options]
    )
