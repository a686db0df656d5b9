/**
 * Training steps a second by model, in one process or, under mpirun, on ranks;
 * see cluster.sh and the README. Rank 0 prints a table.
 */
import { generateCopyTaskData } from "../src/data/copy_task.ts";
import { connectMpi } from "../src/distributed/mpi.ts";
import { Seq2SeqAttentionModel } from "../src/nn/model.ts";
import { type Shape, SHAPES, sizesOf } from "./shapes.ts";

/** Different batches. */
const BATCHES = 4;
/** Steps before those that count. */
const WARM = 20;
/** About how long to measure, milliseconds. */
const SPAN = 2000;
/** The fewest steps that count. */
const LEAST = 30;

const isLaunched = Deno.env.get("OMPI_COMM_WORLD_SIZE") !== undefined;
const ranks = isLaunched ? connectMpi() : undefined;
if (ranks === undefined || ranks.rank === 0) {
  console.log(`| model | steps/s, ${ranks?.size ?? 1} ranks |`);
  console.log("| --- | ---: |");
}
for (const [name, shape] of Object.entries(SHAPES)) {
  const warm = await median(shape, WARM);
  const steps = Math.max(LEAST, Math.round(SPAN / warm));
  const milliseconds = await median(shape, steps);
  if (ranks !== undefined && ranks.rank > 0) continue;
  console.log(`| ${name} | ${(1000 / milliseconds).toFixed(1)} |`);
}

/** The median of the steps' milliseconds, on the whole and the same on all. */
async function median(shape: Shape, steps: number): Promise<number> {
  const model = new Seq2SeqAttentionModel(sizesOf(shape));
  const { xSrc, xTgt } = generateCopyTaskData({
    ...sizesOf(shape),
    nSamples: BATCHES * shape.batch,
    randomSeed: 1,
  });
  const times: number[] = [];
  let last = 0;
  await model.train(xSrc, xTgt, {
    epochs: Math.ceil((WARM + steps) / BATCHES),
    batchSize: shape.batch,
    // A model that has learned its data has gradients too small to be typical.
    learningRate: 1e-6,
    ...(ranks === undefined ? {} : { communicator: ranks }),
    onStep({ step }) {
      const now = performance.now();
      if (step > WARM) times.push(now - last);
      last = now;
    },
  });
  const middle = times.sort((a, b) => a - b)[times.length >> 1]!;
  // All ranks take as many steps.
  const shared = Float64Array.of(middle);
  ranks?.broadcast(shared);
  return shared[0]!;
}
