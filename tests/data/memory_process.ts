// A program that trains on a file and writes the most memory that it took, in
// bytes, to standard output: resident, looked at all the time.
import { AttentionRunner } from "../../src/runner/runner.ts";

const [path] = Deno.args;
let most = 0;
const look = () => {
  most = Math.max(most, Deno.memoryUsage().rss);
};
const timer = setInterval(look, 10);
const enough = new AbortController();
const runner = new AttentionRunner({
  data: {
    source: "file",
    path: path!,
    tokens: "words",
    src_length: 4,
    tgt_length: 5,
    on_too_long: "truncate",
    shuffle_window: 512,
  },
  model: { d_model: 4, d_k: 4, d_v: 4 },
  training: { epochs: 1, batch_size: 64, verbose: false },
  logging: { level: "silent" },
});
const { data, train } = await runner.run({
  signal: enough.signal,
  onStep({ step }) {
    look();
    // Some forty windows; more of them would take time and say nothing more.
    if (step === 300) enough.abort();
  },
});
clearInterval(timer);
console.log(JSON.stringify({ most, ...data, loss: train.loss }));
