// Asks for an address once, to learn what the server says about it; players hide the status and the body.

import { codeOfStatus } from "./refusals.js";

const TIMEOUT_MS = 15_000;
const MAX_HEAD_BYTES = 16 * 1024;
const CODE = /^[a-z][a-z0-9-]{1,48}$/;

/** `{url}` where the manifest was found in the end, or `{error}` with code, status and the server's message. */
export async function probeManifest(url, { cache = "default" } = {}) {
  return await ask(url, { cache }, async (response) => {
    const head = await readHead(response);
    const isManifest = head.replace(/^\uFEFF/, "").includes("#EXTM3U") || /<(\w+:)?MPD[\s>]/.test(head);
    return isManifest ? null : { code: "not-a-manifest", status: response.status, message: "" };
  });
}

/** `{url}` when the server would send this part of the stream, or `{error}`. */
export async function probePart(url) {
  return await ask(url, { cache: "no-store" }, async (response) => {
    await response.body?.cancel();
    return null;
  });
}

async function ask(url, options, check) {
  try {
    const response = await fetch(url, {
      ...options,
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const error = response.ok ? await check(response) : await refusalOf(response);
    if (error) return { error };
    // The entry of the edge redirects a token in the query to its place in the path.
    return { url: response.url || url };
  } catch (failure) {
    return { error: { code: codeOfFailure(failure), status: 0, message: "" } };
  }
}

function codeOfFailure(failure) {
  if (failure.name === "TimeoutError") return "timeout";
  return navigator.onLine ? "network" : "offline";
}

/** The edge's `{"error": code, "message": sentence}`; whatever else stands between may answer anything. */
async function refusalOf(response) {
  const fallback = { code: codeOfStatus(response.status), status: response.status, message: "" };
  const text = await readHead(response);
  let body;
  try {
    body = JSON.parse(text);
  } catch {
    return fallback;
  }
  if (typeof body !== "object" || body === null) return fallback;
  return {
    code: typeof body.error === "string" && CODE.test(body.error) ? body.error : fallback.code,
    status: response.status,
    message: typeof body.message === "string" ? body.message.slice(0, 300) : "",
  };
}

/** The first bytes of a body as text; the rest is not fetched when it is long. */
async function readHead(response) {
  if (!response.body) return "";
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let size = 0;
  while (size < MAX_HEAD_BYTES) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.byteLength;
    text += decoder.decode(value, { stream: true });
  }
  await reader.cancel();
  return text;
}
