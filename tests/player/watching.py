"""Waiting for what a page shows, without breaking its content security policy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Page

WAIT_MS = 15_000

# page.wait_for_function would use eval inside the page, which the policy forbids; this runs from outside.
_UNTIL = """() => new Promise((resolve, reject) => {
  const end = Date.now() + %d;
  const look = () => {
    const value = %s;
    if (value) resolve(value);
    else if (Date.now() > end) reject(new Error(`waited in vain; ${kawa.state} ${JSON.stringify(kawa.error)}`));
    else setTimeout(look, 25);
  };
  look();
})"""


async def until(page: Page, condition: str) -> Any:
    """The first true value of ``condition``, a JavaScript expression."""
    return await page.evaluate(_UNTIL % (WAIT_MS, condition))


async def until_playing(page: Page, *, seconds: float = 0.5) -> None:
    """Return when the picture has moved for ``seconds`` from wherever it is now."""
    await until(page, "kawa.state === 'playing'")
    start = await page.evaluate("kawa.stats().time")
    await until(page, f"kawa.state === 'playing' && kawa.stats().time > {start} + {seconds}")


async def shown(page: Page) -> str:
    """The text a person can see, and the title of the tab."""
    return f"{await page.title()}\n{await page.locator('body').inner_text()}"


@dataclass(slots=True)
class Complaints:
    """What the browser complained about while a page was open."""

    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, page: Page) -> Complaints:
        """Listen from now on."""
        complaints = cls()
        page.on("console", lambda message: complaints.console.append(message.text))
        page.on("pageerror", lambda error: complaints.errors.append(str(error)))
        return complaints
