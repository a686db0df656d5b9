/**
 * What a thread runs, as the text of a classic script: a file of its own would
 * have to be found, read and permitted wherever the package comes from. It
 * knows the shared memory alone, and sleeps there between commands.
 */
import {
  COMMAND,
  END,
  MOST_COMMANDS,
  OWN,
  TEXT_BYTES,
  WORD,
} from "./thread_words.ts";

/** The function `start(data)`, see `ThreadData`. */
const START = `
"use strict";
function start({ memory, base, own, thread, spins }) {
  const words = new Int32Array(memory.buffer, base, ${WORD.end});
  const mine = new Int32Array(memory.buffer, own, ${OWN.end});
  const programs = new Map();
  let seen = 0;
  const next = () => {
    for (let turn = 0; turn < spins; turn++) {
      if (Atomics.load(mine, ${OWN.command}) !== seen) return;
    }
    Atomics.store(mine, ${OWN.sleeping}, 1);
    while (Atomics.load(mine, ${OWN.command}) === seen) {
      Atomics.wait(mine, ${OWN.command}, seen);
    }
    Atomics.store(mine, ${OWN.sleeping}, 0);
  };
  const load = () => {
    const at = words[${WORD.address}];
    const bytes = new Uint8Array(memory.buffer, at, words[${WORD.bytes}]);
    // A module cannot be made of what is shared.
    const module = new WebAssembly.Module(new Uint8Array(bytes));
    const imports = { weft: { memory } };
    const { exports } = new WebAssembly.Instance(module, imports);
    programs.set(words[${WORD.program}], exports["step" + thread]);
  };
  const fail = (error) => {
    if (Atomics.compareExchange(words, ${WORD.failed}, 0, thread) === 0) {
      const text = new TextEncoder().encode(String(error));
      const length = Math.min(text.length, ${TEXT_BYTES});
      new Uint8Array(memory.buffer, base + ${4 * WORD.end}, length)
        .set(text.subarray(0, length));
      words[${WORD.textLength}] = length;
    }
    // Nobody shall wait for this thread.
    Atomics.add(words, ${WORD.round}, 1);
    Atomics.notify(words, ${WORD.round});
  };
  Atomics.store(mine, ${OWN.ready}, 1);
  Atomics.notify(mine, ${OWN.ready});
  for (;;) {
    next();
    if (Atomics.load(mine, ${OWN.command}) === ${END}) return;
    seen = seen + 1 & ${MOST_COMMANDS};
    const kind = words[${WORD.kind}];
    try {
      if (kind === ${COMMAND.load}) load();
      else programs.get(words[${WORD.program}])(words[${WORD.count}]);
    } catch (error) {
      fail(error);
    }
    Atomics.add(words, ${WORD.finished}, 1);
    if (Atomics.load(words, ${WORD.joining}) > 0) {
      Atomics.notify(words, ${WORD.finished});
    }
  }
}
`;

/** For `node:worker_threads`. */
export const NODE_SOURCE =
  `${START}\nstart(require("node:worker_threads").workerData);`;

/** For workers of the web, which are sent what they need. */
export const WEB_SOURCE = `${START}\nonmessage = ({ data }) => {
  start(data);
  close();
};`;
