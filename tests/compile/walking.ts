// Executes a graph by walking its kernels, each buffer an array of its own: no
// module, no arena, no interpreter. It asserts nothing.
import {
  array,
  type ArrayLike,
  type NDArray,
  sizeOf,
  type TypedArray,
} from "../../src/array.ts";
import { buildKernels, type BuildOptions } from "../../src/compile/build.ts";
import type { Buffer } from "../../src/compile/kernel.ts";
import { walkLowered } from "../../src/compile/walk_kernel.ts";
import type { Node } from "../../src/graph/node.ts";
import { recordOf } from "../../src/graph/ops.ts";
import type { Update } from "../../src/run/program.ts";

/** What a walked step leaves behind. */
export interface Walked {
  readonly outputs: Readonly<Record<string, NDArray>>;
  /** The variables after the step, by name. */
  readonly variables: ReadonlyMap<string, TypedArray>;
}

/** Runs one step from the first values of the variables. */
export function walkGraph(
  outputs: Readonly<Record<string, Node>>,
  updates: readonly Update[],
  feeds: Readonly<Record<string, ArrayLike>>,
  options: BuildOptions = {},
): Walked {
  const built = buildKernels(Object.values(outputs), updates, options);
  const { lowered, inputs } = built;
  const arrays = lowered.buffers.map(firstContents);
  for (const [at, { attrs: { name }, dtype }] of inputs.entries()) {
    const { data } = array(feeds[name]!, { name, dtype });
    arrays[lowered.inputs[at]!.id]!.set(data);
  }
  walkLowered(lowered, ({ id }) => arrays[id]!);
  const results = Object.entries(outputs).map(([name, { shape }], at) => {
    const whole = arrays[lowered.outputs[at]!.id]!;
    return [name, { data: whole.slice(0, sizeOf(shape)), shape }];
  });
  const variables = lowered.buffers.flatMap(({ id, variable }) =>
    variable === undefined ? [] : [[variable, arrays[id]!] as const]
  );
  return {
    outputs: Object.fromEntries(results),
    variables: new Map(variables),
  };
}

function firstContents({ node, size, dtype }: Buffer): TypedArray {
  const data = dtype === "int32"
    ? new Int32Array(size)
    : new Float32Array(size);
  if (node.op === "variable") {
    data.set(node.graph.initialValue(node.attrs.name).data);
  } else if (node.op === "constant" || node.op === "iota") {
    recordOf(node).evaluate!(
      [],
      { data, shape: node.shape },
      node.attrs as never,
    );
  }
  return data;
}
