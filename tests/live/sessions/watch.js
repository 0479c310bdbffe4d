// One player on a page of another site than the edge; what the page itself sees of it.

const v = document.querySelector("video");
const TICK_MS = 50;
const seen = { startup: null, stalls: [], samples: [], rates: [], errors: [] };
let began = null;
let waiting = null;
let seeks = false;
let engine = null;

performance.setResourceTimingBufferSize(5000);

v.addEventListener("seeking", () => {
  seeks = true;
});
function stops() {
  if (seen.startup !== null && waiting === null && !seeks && !v.paused) waiting = performance.now();
}

function goesOn() {
  const now = performance.now();
  if (seen.startup === null) seen.startup = now - began;
  if (waiting !== null) seen.stalls.push(now - waiting);
  waiting = null;
  seeks = false;
}

v.addEventListener("waiting", stops);
v.addEventListener("playing", goesOn);

// Seconds from the playhead to the end of what is buffered there.
function ahead() {
  for (let i = 0; i < v.buffered.length; i += 1) {
    if (v.buffered.start(i) <= v.currentTime + 0.1 && v.currentTime <= v.buffered.end(i)) {
      return v.buffered.end(i) - v.currentTime;
    }
  }
  return 0;
}

function sample() {
  const kbps = engine.kbps();
  seen.samples.push({ at: performance.now(), ahead: ahead() * 1000, kbps: Number.isFinite(kbps) ? kbps : 0 });
  const rate = engine.rate();
  if (rate && !seen.rates.includes(rate)) seen.rates.push(rate);
}

const engines = {
  hls(url, { cmcd, goal }) {
    const hls = new Hls({ cmcd, maxBufferLength: goal, maxMaxBufferLength: goal });
    hls.on(Hls.Events.ERROR, (_, data) => data.fatal && seen.errors.push(data.details));
    let level = null;
    hls.on(Hls.Events.FRAG_CHANGED, (_, { frag }) => {
      level = frag.level;
    });
    hls.loadSource(url);
    hls.attachMedia(v);
    return {
      kbps: () => hls.bandwidthEstimate / 1000,
      rate: () => (level === null ? 0 : hls.levels[level].bitrate / 1000),
      own: () => ({ start: null, stalled: null, kbps: hls.bandwidthEstimate / 1000 }),
    };
  },

  shaka(url, { cmcd, goal }) {
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    player.addEventListener("error", ({ detail }) => seen.errors.push(`Shaka ${detail.code}`));
    // It stops the picture itself when little is left, so that the element has nothing to wait for.
    player.addEventListener("buffering", ({ buffering }) => {
      if (buffering) stops();
      else if (waiting !== null) goesOn();
    });
    player.configure({ cmcd: { enabled: true, ...cmcd }, streaming: { bufferingGoal: goal } });
    player.attach(v).then(() => player.load(url)).catch((error) => seen.errors.push(`Shaka ${error.code}`));
    const active = () => player.getVariantTracks().find((one) => one.active);
    return {
      kbps: () => player.getStats().estimatedBandwidth / 1000,
      rate: () => (active()?.videoBandwidth ?? active()?.bandwidth ?? 0) / 1000,
      own: () => {
        const stats = player.getStats();
        return { start: stats.loadLatency * 1000, stalled: stats.bufferingTime * 1000, bytes: stats.bytesDownloaded };
      },
    };
  },

  dash(url, { cmcd, goal }) {
    const player = dashjs.MediaPlayer().create();
    player.updateSettings({
      debug: { logLevel: 0 },
      streaming: {
        utcSynchronization: { enabled: false },
        buffer: { bufferTimeDefault: goal, bufferTimeAtTopQuality: goal, bufferTimeAtTopQualityLongForm: goal },
        cmcd: { enabled: true, ...cmcd },
        cmsd: { enabled: true },
        lastBitrateCachingInfo: { enabled: false },
        lastMediaSettingsCachingInfo: { enabled: false },
      },
    });
    player.on(dashjs.MediaPlayer.events.ERROR, ({ error }) => seen.errors.push(`dash.js ${error.code}`));
    player.initialize(v, url, true);
    const ready = () => player.isReady() && player.getActiveStream() !== null;
    return {
      kbps: () => (ready() ? player.getAverageThroughput("video") : 0),
      rate: () => (ready() ? (player.getCurrentRepresentationForType("video")?.bandwidth ?? 0) / 1000 : 0),
      own: () => ({ start: null, stalled: null, buffer: player.getBufferLength("video") * 1000 }),
    };
  },
};

window.watch = {
  seen,

  start(name, url, options) {
    began = performance.now();
    engine = engines[name](url, options);
    setInterval(sample, TICK_MS);
  },

  // For how long it has waited by now.
  waits: () => (waiting === null ? 0 : performance.now() - waiting),

  isLoaded: () => v.duration > 0 && ahead() + v.currentTime > v.duration - 0.3,

  rate: () => engine.rate(),

  time: () => v.currentTime,

  own: () => engine.own(),

  // Everything that this page has fetched from below `base`, by the browser's own account.
  loads: (base) =>
    performance
      .getEntriesByType("resource")
      .filter((one) => one.name.startsWith(base))
      // What the browser had kept itself was no request.
      .filter((one) => one.transferSize > 0 || one.encodedBodySize === 0)
      .map((one) => ({ url: one.name, bytes: one.encodedBodySize, status: one.responseStatus, at: one.startTime })),

  seek(to) {
    v.currentTime = to;
  },

  hasSought: () => !v.seeking && v.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA,
};
