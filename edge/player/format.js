// Numbers as people read them.

/** Seconds as 1:05 or 1:02:05. */
export function clock(seconds) {
  const whole = Number.isFinite(seconds) ? Math.max(0, Math.floor(seconds)) : 0;
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** Bits per second as 850 kbit/s or 4.2 Mbit/s. */
export function rate(bitsPerSecond) {
  if (!bitsPerSecond) return "–";
  if (bitsPerSecond < 1e6) return `${Math.round(bitsPerSecond / 1e3)} kbit/s`;
  return `${(bitsPerSecond / 1e6).toFixed(bitsPerSecond < 1e7 ? 1 : 0)} Mbit/s`;
}

/** A quality's name: its height, or its bit rate when the height is not known. */
export function qualityName({ height, bitrate }) {
  return height ? `${height}p` : rate(bitrate);
}
