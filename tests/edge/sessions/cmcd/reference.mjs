// The reference implementation of CMCD and CMSD: one task a line comes in, one answer a line goes out.
import * as cmcd from "@svta/cml-cmcd";
import * as cmsd from "@svta/cml-cmsd";
import { SfItem, SfToken } from "@svta/cml-structured-field-values";
import { createInterface } from "node:readline";

// Tokens are objects there; here they are what they say, and an item with parameters is a pair.
function plain(value) {
  if (value instanceof SfToken) return value.description;
  if (typeof value === "symbol") return value.description;
  if (value instanceof SfItem) {
    const parameters = Object.keys(value.params ?? {});
    return parameters.length ? [plain(value.value), plain(value.params)] : plain(value.value);
  }
  if (Array.isArray(value)) return value.map(plain);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, plain(one)]));
  }
  return value;
}

function listed(value) {
  if (!Array.isArray(value)) return value;
  return value.map((one) => (Array.isArray(one) ? new SfItem(one[0], one[1]) : one));
}

function errors(result) {
  return result.issues.filter((one) => one.severity === "error").map((one) => one.key ?? "");
}

const tasks = {
  encode({ data, version, event }) {
    const said = Object.fromEntries(Object.entries(data).map(([key, one]) => [key, listed(one)]));
    const options = { version, ...(event ? { reportingMode: "event" } : {}) };
    return {
      text: cmcd.encodeCmcd(said, options),
      query: event ? null : cmcd.toCmcdQuery(said, options),
      fields: event ? null : cmcd.toCmcdHeaders(said, options),
    };
  },
  decode({ text }) {
    return plain(cmcd.decodeCmcd(text));
  },
  query({ query }) {
    return plain(cmcd.fromCmcdQuery(query));
  },
  fields({ fields }) {
    return plain(cmcd.fromCmcdHeaders(fields));
  },
  judge({ text }) {
    return errors(cmcd.validateCmcdValues(cmcd.decodeCmcd(text)));
  },
  events({ text }) {
    const result = cmcd.validateCmcdEvents(text);
    return { valid: result.valid, data: plain(result.data) };
  },
  static({ text }) {
    return plain(cmsd.decodeCmsdStatic(text));
  },
  dynamic({ text }) {
    return plain(cmsd.decodeCmsdDynamic(text));
  },
  encodeDynamic({ name, data }) {
    return cmsd.encodeCmsdDynamic(name, data);
  },
  encodeStatic({ data }) {
    return cmsd.encodeCmsdStatic(data);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const task = JSON.parse(line);
  let answer;
  try {
    answer = { answer: tasks[task.do](task) ?? null };
  } catch (error) {
    answer = { refused: String(error.message ?? error) };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
