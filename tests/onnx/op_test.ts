// Every operation as ONNX Runtime understands it, against our own reference:
// all cases of the operation table, with their gradients where they have one.
import { assertEquals } from "@std/assert";
import type { NDArray } from "../../src/array.ts";
import { compile } from "../../src/run/plan.ts";
import { toOnnx } from "../../src/onnx/to_onnx.ts";
import { assertAgree } from "../compile/support.ts";
import { graphOf, OP_CASES } from "../graph/op_cases.ts";
import { processTest } from "../helpers.ts";
import { Runtime } from "./runtime.ts";

/** ONNX Runtime approximates tanh to 1e-7, which is much of a small result. */
const TOLERANCE = 1e-3;

/** ONNX does not say which of several values with NaN is the largest. */
const cases = OP_CASES.filter(({ op, name }) =>
  !(name === "special values" && ["max", "argmax"].includes(op))
);

processTest(
  "every operation and its gradient mean the same in ONNX Runtime",
  async () => {
    await using runtime = await Runtime.start();
    for (const each of cases) {
      const { outputs, feeds } = graphOf(each);
      const want = compile({ outputs, precision: "float64" }).run(feeds);
      const model = await runtime.open(toOnnx(() => graphOf(each).outputs));
      const got = await model.run(feeds);
      for (const [name, { data, shape }] of Object.entries<NDArray>(want)) {
        const where = `${each.op}, ${each.name}: ${name}`;
        assertEquals(got[name]!.shape, shape, where);
        assertAgree(got[name]!.data, data, where, TOLERANCE);
      }
    }
  },
);
