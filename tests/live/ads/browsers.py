"""Players in a browser that read the number in every picture they show."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from playwright.async_api import Browser, Page

from tests.live.ads.picture import BLOCK_HEIGHT, BLOCK_WIDTH, HEIGHT, WIDTH, name_of
from tests.live.ads.seen import Seen, Shown

LIBRARIES = {
    "hls": "hls.min.js",
    "shaka": "shaka-player.min.js",
    "dash": "dash.mediaplayer.min.js",
}

# A VideoFrame knows its own time: by the time that a callback runs, the element may show the next one.
_WATCH = """async ({ url, rate, behind, lowLatency, until }) => {
  const video = document.createElement("video");
  video.muted = true;
  document.body.append(video);
  const canvas = new OffscreenCanvas(%(width)d, %(height)d);
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  const told = {
    pictures: [], waits: [], seeks: [], notes: [], errors: [], playing: false, last: -1,
  };
  window.told = told;
  window.over = new Promise((resolve) => { window.finish = resolve; });
  const look = () => {
    const frame = new VideoFrame(video);
    brush.drawImage(frame, 0, 0);
    const time = frame.timestamp / 1e6;
    frame.close();
    const { data } = brush.getImageData(0, 0, %(width)d, %(height)d);
    let bits = "";
    for (let y = %(tall)d / 2; y < 3 * %(tall)d; y += %(tall)d) {
      for (let x = %(wide)d / 2; x < %(width)d; x += %(wide)d) {
        bits += data[4 * (y * %(width)d + x) + 1] > 127 ? "1" : "0";
      }
    }
    if (time !== told.last) told.pictures.push([time, bits]);
    told.last = time;
    const isContent = bits[4] === "0";
    if (until !== null && isContent && parseInt(bits.slice(5, 19), 2) >= until) {
      told.playing = false;
      finish();
    } else {
      video.requestVideoFrameCallback(look);
    }
  };
  video.requestVideoFrameCallback(look);
  video.addEventListener("waiting", () => {
    const { currentTime: at, duration } = video;
    if (told.playing && duration - at > 0.2) told.waits.push(at);
  });
  video.addEventListener("seeking", () => { if (told.playing) told.seeks.push(video.currentTime); });
  video.addEventListener("ended", () => finish());
  video.addEventListener("error", () => told.errors.push(`element: ${video.error?.message}`));
  %(engine)s
  // From here on whatever goes wrong is the stream's fault.
  const loaded = () => {
    const { buffered } = video;
    return Array.from({ length: buffered.length }, (_none, at) => buffered.end(at) - buffered.start(at));
  };
  while (loaded().reduce((sum, seconds) => sum + seconds, 0) < %(ahead)d) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  video.defaultPlaybackRate = video.playbackRate = rate;
  told.playing = true;
  await video.play();
}"""

_ENGINES = {
    "hls": """
  const hls = new Hls({ liveSyncDuration: behind, maxBufferLength: 60, lowLatencyMode: lowLatency });
  hls.on(Hls.Events.ERROR, (_event, data) => {
    // It changes its mind about what to load next: nobody sees that.
    if (data.details === Hls.ErrorDetails.INTERNAL_ABORTED) return;
    told[data.fatal ? "errors" : "notes"].push(`${data.details}: ${data.error?.message}`);
  });
  hls.loadSource(url);
  hls.attachMedia(video);
  await new Promise((resolve) => video.addEventListener("loadedmetadata", resolve, { once: true }));""",
    "shaka": """
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  await player.attach(video);
  // Content lags behind the clock by all the ads that were taken out: a window that moves with the clock would be
  // empty some day. And where dates jump it places segments twice, as soon as sound does not begin with the picture.
  player.configure({
    manifest: {
      defaultPresentationDelay: behind,
      availabilityWindowOverride: 3600,
      hls: { ignoreManifestProgramDateTime: true },
    },
    streaming: { bufferingGoal: 60, lowLatencyMode: lowLatency },
  });
  player.addEventListener("error", ({ detail }) => {
    const isFatal = detail.severity === shaka.util.Error.Severity.CRITICAL;
    told[isFatal ? "errors" : "notes"].push(`${detail.code} ${detail.data} ${detail.message}`);
  });
  await player.load(url);""",
    "dash": """
  const player = dashjs.MediaPlayer().create();
  player.updateSettings({ streaming: {
    delay: { liveDelay: behind },
    liveCatchup: { enabled: false },
    buffer: { bufferTimeDefault: 60, bufferTimeAtTopQuality: 60 },
  } });
  player.on("error", ({ error }) => told.errors.push(`${error.code} ${error.message}`));
  player.on("playbackError", ({ error }) => told.errors.push(String(error)));
  player.initialize(video, url, false);
  await new Promise((resolve) => video.addEventListener("loadedmetadata", resolve, { once: true }));""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """How to play, and when enough has been seen."""

    engine: str
    path: str
    rate: float = 1.0
    behind: int = 3
    low_latency: bool = False
    ahead: int = (
        12  # seconds to be loaded before it plays, so that a busy machine does not make it wait
    )
    until: int | None = None  # this picture of content; None: the end


@dataclass(slots=True)
class Watcher:
    """A page that is ready to play; pages of their own contexts are all in sight."""

    page: Page
    address: str

    async def watch(self, how: Watching, *, seconds: float) -> Seen:
        """Play; what was seen by the end or when time is up."""
        script = _WATCH % {
            "width": WIDTH,
            "height": HEIGHT,
            "wide": BLOCK_WIDTH,
            "tall": BLOCK_HEIGHT,
            "engine": _ENGINES[how.engine],
            "ahead": how.ahead,
        }
        asked: Mapping[str, Any] = {
            "url": self.address + how.path,
            "rate": how.rate,
            "behind": how.behind,
            "lowLatency": how.low_latency,
            "until": how.until,
        }
        late: list[str] = []
        try:
            async with asyncio.timeout(seconds):
                await self.page.evaluate(script, asked)
                await self.page.evaluate("window.over")
        except TimeoutError:
            late.append(f"not at the end after {seconds:.0f} s")
        told = await self.page.evaluate("window.told")
        return Seen(
            pictures=[Shown(time, name_of(bits)) for time, bits in told["pictures"]],
            waits=told["waits"],
            seeks=told["seeks"],
            notes=told["notes"],
            errors=[*told["errors"], *late],
        )

    async def close(self) -> None:
        """Leave the page."""
        await self.page.context.close()


async def ready(browser: Browser, address: str, engine: str) -> Watcher:
    """A page of the edge's own origin with a player's library in it."""
    context = await browser.new_context(viewport={"width": 320, "height": 240})
    page = await context.new_page()
    await page.goto(address + "/player/")
    await page.add_script_tag(url=f"{address}/player/vendor/{LIBRARIES[engine]}")
    return Watcher(page, address)
