/**
 * The Adam optimiser (Kingma and Ba 2015, algorithm 1), with decoupled weight
 * decay (AdamW: Loshchilov and Hutter 2019, algorithm 2), as graph, so that a
 * whole training step is one plan.
 */
import { formatShape, sameShape } from "../array.ts";
import {
  abs,
  add,
  div,
  less,
  mul,
  type Operand,
  select,
  sqrt,
  sub,
} from "../graph/elementwise.ts";
import { grad } from "../graph/grad.ts";
import type { Graph, Node, NodeOf } from "../graph/node.ts";
import type { Update } from "../run/program.ts";
import { zeros } from "./init.ts";

/** Options of {@linkcode adam}. */
export interface AdamOptions {
  /** The step size: a number, or a node such as an input. */
  learningRate: Operand;
  /** The decay of the first moment; 0.9 by default. */
  beta1?: number;
  /** The decay of the second moment; 0.999 by default. */
  beta2?: number;
  /** Added to the root of the second moment; 1e-8 by default. */
  epsilon?: number;
  /**
   * Times the step size, the share that every parameter loses in a step beside
   * Adam's own step, as in PyTorch's AdamW; 0 by default.
   */
  weightDecay?: number;
  /**
   * What the names of its variables begin with; `"adam"` by default. Two
   * optimisers in one graph, or on the same `Variables`, need two names.
   */
  name?: string;
}

/** Smaller moments become 0, see {@linkcode adam}. */
const NEGLIGIBLE = 1e-30;

/**
 * The updates of one Adam step, as PyTorch takes it: epsilon outside the root,
 * both moments corrected for their start at 0. Its state is variables of the
 * graph: `adam.correction1`, `adam.correction2`, and for every parameter
 * `adam.m.…` and `adam.v.…`. Moments below 1e-30 are set to 0: WebAssembly cannot
 * flush denormals, and the moments of what gets no gradient any more would
 * decay into them and slow every step.
 *
 * @param loss float32, one element.
 * @param parameters Variables that the loss depends on.
 * @param options Step size, decays and name.
 * @returns The updates, for `compile({ updates })`.
 * @throws {TypeError} If a parameter is no variable or given twice, or the
 * graph has variables of these names already.
 * @throws {RangeError} If the loss does not depend on a parameter, a moment's
 * decay is not in [0, 1), or that of the weights is below 0 or not finite.
 *
 * @example Fitting one number
 * ```ts
 * import { adam, compile, Graph, mul, sub } from "jsr:@weft/seq2seq";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const x = graph.variable("x", 0);
 * const error = sub(x, 3);
 * const plan = compile({
 *   outputs: {},
 *   updates: adam(mul(error, error), [x], { learningRate: 0.1 }),
 * });
 * for (let step = 0; step < 300; step++) plan.run();
 * assertAlmostEquals(plan.variables.get("x").data[0]!, 3, 1e-2);
 * ```
 */
export function adam(
  loss: Node,
  parameters: readonly Node[],
  options: AdamOptions,
): Update[] {
  checkParameters(parameters);
  checkDecays(options);
  const { name = "adam" } = options;
  const { graph } = loss;
  return graph.scope(name, () => {
    const gradients = grad(loss, parameters);
    return updatesOf(graph, parameters, gradients, { ...options, name });
  });
}

/**
 * The updates of one Adam step from gradients that are there already, such as
 * clipped ones: {@linkcode adam} from there on.
 *
 * @param parameters Variables.
 * @param gradients One of each parameter's shape, in the same order.
 * @param options Step size, decays and name.
 * @returns The updates, for `compile({ updates })`.
 * @throws {TypeError} If a parameter is no variable or given twice, a gradient
 * is missing or of another shape, or the graph has variables of these names
 * already.
 * @throws {RangeError} If a moment's decay is not in [0, 1), or that of the
 * weights is below 0 or not finite.
 *
 * @example A gradient of one's own
 * ```ts
 * import { applyAdam, compile, Graph } from "jsr:@weft/seq2seq";
 * import { assertAlmostEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const x = graph.variable("x", 0);
 * const slope = graph.constant(7);
 * const updates = applyAdam([x], [slope], { learningRate: 0.5 });
 * const plan = compile({ outputs: {}, updates });
 * plan.run();
 * // The first step of Adam is as long whatever the slope.
 * assertAlmostEquals(plan.variables.get("x").data[0]!, -0.5, 1e-6);
 * ```
 */
export function applyAdam(
  parameters: readonly Node[],
  gradients: readonly Node[],
  options: AdamOptions,
): Update[] {
  checkParameters(parameters);
  checkDecays(options);
  for (const [at, { shape, attrs }] of parameters.entries()) {
    const gradient = gradients[at];
    if (gradient !== undefined && sameShape(gradient.shape, shape)) continue;
    const { name } = attrs as NodeOf<"variable">["attrs"];
    throw new TypeError(
      `Cannot optimise variable "${name}" of shape ${
        formatShape(shape)
      } with ` +
        (gradient === undefined
          ? "no gradient"
          : `a gradient of shape ${formatShape(gradient.shape)}`),
    );
  }
  const { name = "adam" } = options;
  const graph = parameters[0]?.graph;
  if (graph === undefined) return [];
  return graph.scope(
    name,
    () => updatesOf(graph, parameters, gradients, { ...options, name }),
  );
}

function checkParameters(parameters: readonly Node[]): void {
  for (const [at, parameter] of parameters.entries()) {
    if (parameter.op !== "variable") {
      throw new TypeError(
        `Cannot optimise ${parameter.op} (node ${parameter.id}): ` +
          `wanted a variable`,
      );
    }
    if (parameters.indexOf(parameter) < at) {
      throw new TypeError(
        `Cannot optimise variable "${parameter.attrs.name}" twice in one step`,
      );
    }
  }
}

function checkDecays(options: AdamOptions): void {
  const { weightDecay = 0 } = options;
  if (!(weightDecay >= 0 && weightDecay < Infinity)) {
    throw new RangeError(
      `Cannot use weightDecay = ${weightDecay}: wanted a finite number from 0`,
    );
  }
  for (const name of ["beta1", "beta2"] as const) {
    const decay = options[name] ?? 0;
    if (decay >= 0 && decay < 1) continue;
    throw new RangeError(
      `Cannot use ${name} = ${decay}: wanted a number in [0, 1)`,
    );
  }
}

function updatesOf(
  graph: Graph,
  parameters: readonly Node[],
  gradients: readonly Node[],
  options: AdamOptions & { name: string },
): Update[] {
  const { learningRate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = options;
  const { name, weightDecay = 0 } = options;
  const [correct1, next1] = correction(graph, `${name}.correction1`, beta1);
  const [correct2, next2] = correction(graph, `${name}.correction2`, beta2);
  // All first moments, then all second ones: each kind one contiguous block.
  const firsts = parameters.map((p) => momentOf(graph, `${name}.m`, p));
  const seconds = parameters.map((p) => momentOf(graph, `${name}.v`, p));
  const updates: Update[] = [[correct1, next1], [correct2, next2]];
  const rate = div(learningRate, next1);
  // One division for all elements instead of one for each.
  const unbias = div(1, next2);
  const lost = typeof learningRate === "number"
    ? learningRate * weightDecay
    : mul(learningRate, weightDecay);
  for (const [at, parameter] of parameters.entries()) {
    const gradient = gradients[at]!;
    const squared = mul(gradient, gradient);
    const first = decay(firsts[at]!, gradient, beta1);
    const second = decay(seconds[at]!, squared, beta2);
    const scale = add(sqrt(mul(second, unbias)), epsilon);
    const step = div(mul(first, rate), scale);
    // Both taken off at once: one rounding of the parameter instead of two.
    const change = weightDecay === 0 ? step : add(step, mul(parameter, lost));
    updates.push(
      [firsts[at]!, first],
      [seconds[at]!, second],
      [parameter, sub(parameter, change)],
    );
  }
  return updates;
}

/**
 * 1 - beta^t by the recurrence c' = beta c + (1 - beta): in float32 the power
 * itself would lose the digits that matter while t is small.
 */
function correction(
  graph: Graph,
  name: string,
  beta: number,
): [variable: Node, next: Node] {
  const variable = graph.variable(name, 0);
  return [variable, add(mul(variable, beta), 1 - beta)];
}

function momentOf(graph: Graph, prefix: string, parameter: Node): Node {
  // Checked before; this tells TypeScript.
  const { attrs: { name } } = parameter as NodeOf<"variable">;
  return graph.variable(`${prefix}.${name}`, zeros(parameter.shape));
}

function decay(moment: Node, value: Node, beta: number): Node {
  const next = add(mul(moment, beta), mul(value, 1 - beta));
  return select(less(abs(next), NEGLIGIBLE), 0, next);
}
