"use strict";
// node read.js LIBRARY: JSON lines {id, text, url} in, JSON lines {id, saw} or {id, error} out, in order.
// The library runs in a worker whose time and memory are capped: some live MPDs have a segment for every
// two seconds since 1970.
const readline = require("node:readline");
const { Worker } = require("node:worker_threads");

const MEMORY_MB = 256;
const MILLISECONDS = 3000;
const library = process.argv[2];

let worker = null;

function started() {
  worker ??= new Worker(require.resolve("./worker.js"), {
    workerData: { reader: library },
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MB },
    stdout: true, // what libraries print is not part of the answer
    stderr: true,
  });
  return worker;
}

function read(document) {
  const current = started();
  return new Promise((resolve) => {
    const end = (answer, usable) => {
      clearTimeout(timer);
      current.removeAllListeners("message").removeAllListeners("error");
      if (!usable) {
        worker = null;
        current.on("error", () => {});
        void current.terminate();
      }
      resolve({ id: document.id, ...answer });
    };
    const timer = setTimeout(() => end({ error: "took too long" }, false), MILLISECONDS);
    current.on("message", (answer) => end(answer, true));
    current.on("error", (error) => end({ error: error.code ?? error.message }, false));
    current.postMessage(document);
  });
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    process.stdout.write(`${JSON.stringify(await read(JSON.parse(line)))}\n`);
  }
  await worker?.terminate();
}

main();
