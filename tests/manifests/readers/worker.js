"use strict";
const { parentPort, workerData } = require("node:worker_threads");

const { read } = require(`./${workerData.reader}.js`);

parentPort.on("message", ({ text, url }) => {
  let answer;
  try {
    answer = { saw: read(text, url) };
  } catch (error) {
    answer = { error: error.message || error.name };
  }
  parentPort.postMessage(answer);
});
