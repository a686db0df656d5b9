// adam() against a second implementation in plain doubles. Against PyTorch:
// fixtures_test.ts.
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertThrows,
} from "@std/assert";
import { sum } from "../../src/graph/broadcast.ts";
import { add, mul, sub } from "../../src/graph/elementwise.ts";
import { Graph, type Node } from "../../src/graph/node.ts";
import { adam, type AdamOptions } from "../../src/nn/adam.ts";
import { compile } from "../../src/run/plan.ts";
import { Variables } from "../../src/run/variables.ts";

/**
 * One parameter by Kingma and Ba's algorithm 1, powers and all, with the decay
 * of Loshchilov and Hutter's algorithm 2.
 */
class AdamByHand {
  #m = 0;
  #v = 0;
  #t = 0;

  constructor(
    public value: number,
    readonly beta1: number,
    readonly beta2: number,
    readonly epsilon: number,
    readonly weightDecay: number,
  ) {}

  step(gradient: number, rate: number): void {
    this.#t++;
    this.#m = this.beta1 * this.#m + (1 - this.beta1) * gradient;
    this.#v = this.beta2 * this.#v + (1 - this.beta2) * gradient ** 2;
    const m = this.#m / (1 - this.beta1 ** this.#t);
    const v = this.#v / (1 - this.beta2 ** this.#t);
    this.value *= 1 - rate * this.weightDecay;
    this.value -= rate * m / (Math.sqrt(v) + this.epsilon);
  }
}

const SETTINGS: Omit<AdamOptions, "learningRate">[] = [
  {},
  { beta1: 0.5, beta2: 0.75, epsilon: 0.1 },
  { beta1: 0, beta2: 0 },
  { weightDecay: 0.3 },
];

for (const options of SETTINGS) {
  Deno.test(`adam() takes the steps of its algorithm: ${JSON.stringify(options)}`, () => {
    const graph = new Graph();
    const a = graph.variable("a", [1, -2, 0.5]);
    const b = graph.variable("b", 4);
    const learningRate = graph.input("rate", []);
    const scale = [1, 0.01, -3];
    const fourth = mul(sub(b, 3), sub(b, 3));
    // The loss is scale·a² + (b - 3)^4 + b Σa.
    const loss = add(
      sum(mul(mul(a, a), graph.constant(scale))),
      add(mul(fourth, fourth), mul(b, sum(a))),
    );
    const plan = compile({
      outputs: { loss },
      updates: adam(loss, [a, b], { learningRate, ...options }),
      precision: "float64",
    });
    const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
    const { weightDecay = 0 } = options;
    const make = (value: number) =>
      new AdamByHand(value, beta1, beta2, epsilon, weightDecay);
    const as = [1, -2, 0.5].map(make);
    const hand = make(4);
    for (let step = 1; step <= 30; step++) {
      const rate = 0.1 / step;
      const total = as.reduce((sum, { value }) => sum + value, 0);
      const gradients = as.map(({ value }, at) =>
        2 * scale[at]! * value + hand.value
      );
      const gradient = 4 * (hand.value - 3) ** 3 + total;
      as.forEach((each, at) => each.step(gradients[at]!, rate));
      hand.step(gradient, rate);
      plan.run({ rate });
      as.forEach(({ value }, at) =>
        assertAlmostEquals(plan.variables.get("a").data[at]!, value, 1e-10)
      );
      assertAlmostEquals(plan.variables.get("b").data[0]!, hand.value, 1e-10);
    }
  });
}

Deno.test("a first step is the learning rate, whatever the gradient", () => {
  const graph = new Graph();
  const x = graph.variable("x", [0, 0, 0]);
  const slope = graph.constant([1e-3, -1e3, 1]);
  const updates = adam(sum(mul(x, slope)), [x], { learningRate: 0.25 });
  const plan = compile({ outputs: {}, updates });
  plan.run();
  for (const [at, wanted] of [-0.25, 0.25, -0.25].entries()) {
    assertAlmostEquals(plan.variables.get("x").data[at]!, wanted, 1e-5);
  }
});

Deno.test("moments that have become negligible are exactly 0", () => {
  const graph = new Graph();
  const x = graph.variable("x", [0, 0]);
  const slope = graph.input("slope", [2]);
  const plan = compile({
    outputs: {},
    updates: adam(sum(mul(x, slope)), [x], {
      learningRate: 0.1,
      beta1: 0.25,
      beta2: 0.5,
    }),
  });
  plan.run({ slope: [1, -1] });
  const names = ["adam.m.x", "adam.v.x"];
  const moments = (name: string) => [...plan.variables.get(name).data];
  const alive = [0, 0];
  for (let step = 0; step < 120; step++) {
    plan.run({ slope: [0, 0] });
    for (const [at, name] of names.entries()) {
      for (const moment of moments(name)) {
        assert(moment === 0 || Math.abs(moment) >= 1e-30, `${name} ${moment}`);
        if (moment !== 0) alive[at] = step;
      }
    }
  }
  assertEquals(names.map(moments), [[0, 0], [0, 0]]);
  // 0.75 * 4^-n and 0.5 * 2^-n fall below 1e-30 at n = 50 and n = 99.
  assertEquals(alive, [48, 97]);
  assert(plan.variables.get("x").data.every(Number.isFinite));
});

Deno.test("adam() refuses a parameter the loss does not depend on", () => {
  const graph = new Graph();
  const used = graph.variable("used", 1);
  const idle = graph.variable("idle", 1);
  assertThrows(
    () => adam(mul(used, used), [used, idle], { learningRate: 0.1 }),
    RangeError,
    '"idle": no gradient flows',
  );
});

Deno.test("adam() refuses to optimise what is no variable", () => {
  const graph = new Graph();
  const variable = graph.variable("w", 1);
  const others: Node[] = [
    graph.input("x", []),
    graph.constant(2),
    mul(variable, 2),
  ];
  for (const node of others) {
    assertThrows(
      () => adam(mul(node, variable), [variable, node], { learningRate: 0.1 }),
      TypeError,
      `Cannot optimise ${node.op} (node ${node.id}): wanted a variable`,
    );
  }
  // Nothing was declared on the way.
  adam(mul(variable, variable), [variable], { learningRate: 0.1 });
});

Deno.test("adam() refuses decays outside [0, 1)", () => {
  const graph = new Graph();
  const x = graph.variable("x", 1);
  for (const name of ["beta1", "beta2"]) {
    for (const decay of [1, -0.1, NaN, 2]) {
      assertThrows(
        () => adam(mul(x, x), [x], { learningRate: 0.1, [name]: decay }),
        RangeError,
        `Cannot use ${name} = ${decay}: wanted a number in [0, 1)`,
      );
    }
  }
  for (const weightDecay of [-0.1, NaN, Infinity]) {
    assertThrows(
      () => adam(mul(x, x), [x], { learningRate: 0.1, weightDecay }),
      RangeError,
      `Cannot use weightDecay = ${weightDecay}: wanted a finite number from 0`,
    );
  }
});

Deno.test("adam() takes its rate as a number, for the decay as well", () => {
  const graph = new Graph();
  const x = graph.variable("x", 4);
  const updates = adam(mul(x, 0), [x], { learningRate: 0.5, weightDecay: 0.5 });
  const plan = compile({ outputs: {}, updates });
  plan.run();
  assertEquals(plan.variables.get("x").data[0], 3);
});

Deno.test("adam() under two names optimises two losses of one graph", () => {
  const graph = new Graph();
  const variables = new Variables();
  const square = (x: Node): Node => mul(sub(x, 3), sub(x, 3));
  const x = graph.variable("x", 0);
  const y = graph.variable("y", 0);
  const one = adam(square(x), [x], { learningRate: 0.25 });
  const two = adam(square(y), [y], { learningRate: 0.5, name: "second" });
  const plan = compile({ outputs: {}, updates: [...one, ...two], variables });
  for (let step = 0; step < 4; step++) plan.run();
  // Each by itself comes to the same.
  for (const [name, rate] of [["x", 0.25], ["y", 0.5]] as const) {
    const alone = new Graph().variable(name, 0);
    const single = compile({
      outputs: {},
      updates: adam(square(alone), [alone], { learningRate: rate }),
    });
    for (let step = 0; step < 4; step++) single.run();
    assertEquals(variables.get(name), single.variables.get(name));
  }
  assertEquals(variables.names().filter((name) => /^second/.test(name)), [
    "second.correction1",
    "second.correction2",
    "second.m.y",
    "second.v.y",
  ]);
});

Deno.test("adam() refuses a name in use, and a parameter given twice", () => {
  const graph = new Graph();
  const x = graph.variable("x", 1);
  const loss = mul(x, x);
  assertThrows(
    () => adam(loss, [x, x], { learningRate: 0.1 }),
    TypeError,
    'Cannot optimise variable "x" twice in one step',
  );
  adam(loss, [x], { learningRate: 0.1 });
  assertThrows(
    () => adam(loss, [x], { learningRate: 0.1 }),
    TypeError,
    'the graph has variable "adam.correction1" already',
  );
});
