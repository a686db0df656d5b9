/**
 * What is refused of a source of batches, which anybody may have written: each
 * batch is checked before it is used. What pairs in memory must be is checked
 * elsewhere, once.
 */
import { describe } from "../array.ts";
import { checkInteger } from "../checks.ts";
import { sliceOf } from "../distributed/communicator.ts";
import {
  type Batch,
  type BatchCounts,
  type Batches,
  batchesOf,
  type BatchSource,
  rowsOf,
  type Share,
} from "./batches.ts";
import { checkTokenValues } from "./checks.ts";
import type { Seq2SeqSizes, SpecialTokens } from "./seq2seq.ts";

/** Tells a source of batches from an array. */
export function isBatchSource(value: unknown): value is BatchSource {
  return typeof value === "object" && value !== null && "batches" in value;
}

/**
 * Checks a source and all that it gives.
 *
 * @param source What a user has made.
 * @param sizes The sizes and special tokens of the model.
 * @returns A source of the same batches; it rejects where one is wrong, where
 * there are too few, and where there are too many.
 * @throws {TypeError | RangeError} If the source itself is wrong.
 */
export function checkedSource(
  source: BatchSource,
  sizes: Seq2SeqSizes & SpecialTokens,
): BatchSource {
  const { sequences, batchSize, fingerprint } = source;
  checkInteger(sequences, "sequences", 1);
  checkInteger(batchSize, "batchSize", 1);
  checkFunction(source.batches, "batches");
  if (source.slices !== undefined) checkFunction(source.slices, "slices");
  if (fingerprint !== undefined && typeof fingerprint !== "string") {
    throw new TypeError(
      `Cannot use fingerprint = ${describe(fingerprint)}: wanted a string`,
    );
  }
  // As they are now: the source may be changed later.
  const counts = { sequences, batchSize };
  const { slices } = source;
  return {
    ...counts,
    ...(fingerprint === undefined ? {} : { fingerprint }),
    batches: (epoch, from) =>
      checked(source.batches(epoch, from), { epoch, from, counts, sizes }),
    ...(slices === undefined ? {} : {
      slices: (epoch, from, share) =>
        checked(slices.call(source, epoch, from, share), {
          epoch,
          from,
          counts,
          sizes,
          share,
        }),
    }),
  };
}

function checkFunction(value: unknown, name: string): void {
  if (typeof value === "function") return;
  throw new TypeError(
    `Cannot use ${name} = ${describe(value)}: wanted a function`,
  );
}

/** What batches must be. */
interface Wanted {
  readonly epoch: number;
  readonly from: number;
  readonly counts: BatchCounts;
  readonly sizes: Seq2SeqSizes & SpecialTokens;
  readonly share?: Share;
}

async function* checked(
  batches: Batches,
  { epoch, from, counts, sizes, share }: Wanted,
): AsyncIterable<Batch> {
  let at = from;
  const wanted = batchesOf(counts);
  for await (const batch of batches) {
    const name = `batch ${at + 1} of epoch ${epoch}`;
    if (at === wanted) {
      throw new RangeError(
        `Cannot use ${name}: wanted ${wanted} batches, for there are ` +
          `${counts.sequences} sequences in batches of ${counts.batchSize}`,
      );
    }
    const rows = rowsOf(counts, at);
    const slice = share === undefined
      ? { from: 0, to: rows }
      : sliceOf(rows, share);
    checkBatch(batch, name, slice.to - slice.from, sizes);
    yield batch;
    at++;
  }
  if (at >= wanted) return;
  throw new RangeError(
    `Cannot go through epoch ${epoch}: it ended after ${at} batches, ` +
      `wanted ${wanted}`,
  );
}

function checkBatch(
  batch: Batch,
  name: string,
  rows: number,
  sizes: Seq2SeqSizes & SpecialTokens,
): void {
  if (typeof batch !== "object" || batch === null) {
    throw new TypeError(
      `Cannot use ${name}: found ${describe(batch)}, wanted an object with ` +
        `rows, source and target`,
    );
  }
  if (batch.rows !== rows) {
    throw new RangeError(
      `Cannot use ${name}: it has ${describe(batch.rows)} rows, wanted ${rows}`,
    );
  }
  const lengths = { source: sizes.srcLength, target: sizes.tgtLength };
  for (const side of ["source", "target"] as const) {
    const tokens = batch[side];
    const place = `the ${side} of ${name}`;
    if (!(tokens instanceof Int32Array)) {
      throw new TypeError(
        `Cannot use ${place}: found ${describe(tokens)}, wanted an Int32Array`,
      );
    }
    const shape = [rows, lengths[side]];
    if (tokens.length !== rows * lengths[side]) {
      throw new TypeError(
        `Cannot use ${place}: it has ${tokens.length} tokens, wanted ` +
          `${rows} x ${lengths[side]}`,
      );
    }
    checkTokenValues(tokens, `${place}, `, shape, sizes);
  }
}
