/**
 * How long ranks take to add up a message, by its size: under mpirun, see
 * cluster.sh and the README. Rank 0 prints a table.
 */
import { connectMpi } from "../src/distributed/mpi.ts";

/** Float32 numbers in a message: up to the gradients of a large model. */
const SIZES = [1, 256, 4_096, 24_000, 65_536, 262_144, 1_048_576];
/** About how many numbers are sent in all for each size. */
const BUDGET = 4_194_304;
const MOST_REPEATS = 300;

const ranks = connectMpi();
if (ranks.rank === 0) {
  console.log(`| bytes | microseconds, ${ranks.size} ranks |`);
  console.log("| ---: | ---: |");
}
for (const size of SIZES) {
  const values = new Float32Array(size);
  const repeats = Math.max(5, Math.min(MOST_REPEATS, BUDGET / size));
  const times: number[] = [];
  ranks.allReduce(values);
  for (let at = 0; at < repeats; at++) {
    ranks.barrier();
    const start = performance.now();
    ranks.allReduce(values);
    times.push(performance.now() - start);
  }
  times.sort((a, b) => a - b);
  const median = times[Math.floor(times.length / 2)]! * 1000;
  if (ranks.rank === 0) console.log(`| ${size * 4} | ${median.toFixed(1)} |`);
}
