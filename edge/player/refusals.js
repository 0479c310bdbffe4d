// Every reason why nothing plays, in words for the person in front of the screen.

const NEW_LINK = "Ask the site or the person who gave you this link for a new one.";
const LATER = "Wait a moment, then try again.";

const REASONS = {
  // What the edge answers.
  "token-missing": ["This link has no key", "The address does not carry the token that opens this stream.", "Copy the whole link, including the long part in the middle, and open it again."],
  "not-allowed": ["This link does not open this video", "It may have expired or been withdrawn, be for another video, or have lost a piece on the way. The server does not say which.", "Copy the whole link again, in one piece. If it is the right one, ask the site or the person who gave it to you for a new one."],
  "bad-path": ["This address is not well formed", "The server cannot read the path of this video.", "Check the link for missing or extra characters."],
  "unknown-origin": ["This server does not know that library", "The link names a source of media that is not configured here.", "Check the link, or ask the operator of this server."],
  "not-found": ["Nothing is published here", "The video was removed, moved, or is not ready yet.", "If it was uploaded just now, wait until it is published and try again."],
  "too-many-streams": ["As many streams play as may", "This account is watching on other devices already.", "Stop one of them, wait half a minute, then try again."],
  "stream-ended": ["This stream was ended", "It gave its place to another device of this account, or the operator ended it.", NEW_LINK],
  "no-sessions": ["The server cannot count streams now", "It does not know how many this account plays already.", LATER],
  "too-large": ["This manifest is too large", "The description of the stream is larger than this server is willing to send.", "Ask the operator of this server."],
  "origin-failed": ["The library behind the server failed", "The server is well, but the storage of the video gave no usable answer.", LATER],
  "origin-timeout": ["The library behind the server is slow", "The server is well, but the storage of the video did not answer in time.", LATER],
  "draining": ["This server is going out of service", "It finishes what it has begun and takes nothing new.", "Try again in a few seconds: another server will take over."],
  // What the page finds out by itself.
  "bad-link": ["That is not a playback address", "A playback address looks like /t/token/origin/path on this server.", "Paste the whole link you were given."],
  "other-origin": ["That address belongs to another server", "This page only plays what comes from the server it was loaded from.", "Open the player of the other server with that link."],
  "offline": ["You are offline", "This device has no network connection at the moment.", "Playing goes on by itself when the connection is back."],
  "network": ["The server cannot be reached", "The connection failed before an answer came.", "Check your connection, then try again."],
  "timeout": ["The server does not answer", "There was no answer within a reasonable time.", LATER],
  "not-a-manifest": ["This is not a stream", "Something is published at this address, but it is neither an HLS playlist nor a DASH manifest.", "Check the link."],
  "segment-failed": ["A piece of the video did not arrive", "The stream was found, but one of its parts could not be loaded.", LATER],
  "media-decode": ["This video cannot be decoded", "The browser gave up on the picture or the sound. The data may be damaged, or the device too busy.", "Try again, or choose another engine or quality."],
  "media-unsupported": ["This browser cannot play this format", "It has no decoder for the codecs of this stream.", "Try another engine, or another browser."],
  "engine-missing": ["No player for this stream", "The player libraries are not installed on this server, and this browser cannot play the stream by itself.", "The operator can install them with “make setup”. Safari and recent Chrome play HLS without them."],
};

const BY_STATUS = new Map([
  [401, "token-missing"],
  [404, "not-found"],
  [410, "not-found"],
  [413, "too-large"],
  [502, "origin-failed"],
  [504, "origin-timeout"],
]);

/** The code for an answer that names none. */
export function codeOfStatus(status) {
  return BY_STATUS.get(status) ?? "refused";
}

/** Title, explanation and next step for an error; the token never appears in them. */
export function explain({ code, status, message }, token) {
  const reason = REASONS[code];
  if (reason) return { title: reason[0], why: reason[1], next: reason[2] };
  return {
    title: status >= 500 ? "The server has a problem" : "The server refused this stream",
    why: redact(message, token) || "It gave no reason.",
    next: status >= 500 ? LATER : NEW_LINK,
  };
}

/** `text` without the token and without anything that looks like one. */
export function redact(text, token) {
  let clean = text ?? "";
  if (token) clean = clean.replaceAll(token, "…").replaceAll(decoded(token), "…");
  return clean.replace(/\/t\/[^/\s]+/g, "/t/…").replace(/[\w-]{8,}(\.[\w-]{8,}){2,}/g, "…");
}

function decoded(token) {
  try {
    return decodeURIComponent(token);
  } catch {
    return token;
  }
}
