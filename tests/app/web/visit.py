"""A tab in a real browser."""

from __future__ import annotations

import re
from typing import Any

WAIT = 45_000
"""Milliseconds that anything may take to appear."""


class Visit:
    """A tab, with what it logged and asked the network for."""

    def __init__(self, context: Any, url: str) -> None:
        self.page = context.new_page()
        self.page.set_default_timeout(WAIT)
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)

    def watch_sample(self, to: float | None = None) -> None:
        """Begin with the sample, and go on to second ``to`` at once."""
        self.page.get_by_role("button", name="Watch the sample").click()
        self.until("window.onlooker?.figures().time > 0.3")
        if to is not None:
            self.page.evaluate(f"player.currentTime = {to}")
            self.until(f"onlooker.figures().time > {to}")
            self.page.locator("#strip .mark").first.wait_for()

    def ask(self, question: str) -> None:
        self.page.locator("#question textarea").fill(question)
        self.page.get_by_role("button", name="Ask", exact=True).click()

    def answer(self, text: str) -> Any:
        return self.page.locator("#chat .bot", has_text=text).last

    def until(self, condition: str) -> None:
        self.page.wait_for_function(condition)

    def barriers(self) -> list[str]:
        """What axe-core finds seriously wrong for people who use the page in other ways."""
        from axe_playwright_python.sync_playwright import Axe

        self.page.locator("#question").wait_for()
        told = Axe().run(self.page).response["violations"]
        return [
            f"{found['id']}: {node['target']} {node['html'][:120]}"
            for found in told
            if found["impact"] in {"serious", "critical"}
            for node in found["nodes"]
        ]

    @property
    def session(self) -> str:
        found = re.search(r"session=([\w-]+)", self.page.url)
        return found.group(1) if found else ""
