/**
 * Reverse-mode differentiation. Gradients are more graph, so whatever improves
 * the forward pass improves them as well. Only nodes between the loss and the
 * targets are visited.
 */
import { formatShape, sameShape } from "../array.ts";
import { broadcast } from "./broadcast.ts";
import { add } from "./elementwise.ts";
import { type Node, reachable } from "./node.ts";
import { recordOf } from "./ops.ts";
import { ShapeError } from "./shape.ts";

/** How messages name a node: its name where it has one, else op and id. */
function nameOf(node: Node): string {
  return "name" in node.attrs
    ? `"${node.attrs.name}"`
    : `${node.op} (node ${node.id})`;
}

/**
 * The gradients of a scalar with respect to some nodes, as nodes.
 *
 * @param loss float32, one element.
 * @param wrt The nodes to differentiate by; float32.
 * @returns One gradient for each of `wrt`, of its shape.
 * @throws {ShapeError} If the loss has more than one element.
 * @throws {RangeError} If the loss does not depend on a target: a gradient of
 * silent zeros is nearly always a mistake in the model.
 *
 * @example The slope of x squared
 * ```ts
 * import { compile, grad, Graph, mul, toNested } from "jsr:@weft/seq2seq";
 * import { assertEquals } from "@std/assert";
 *
 * const graph = new Graph();
 * const x = graph.input("x", []);
 * const [slope] = grad(mul(x, x), [x]);
 * const plan = compile({ outputs: { slope: slope! } });
 * assertEquals(toNested(plan.run({ x: 3 }).slope), 6);
 * ```
 */
export function grad(loss: Node, wrt: readonly Node[]): Node[] {
  if (loss.shape.some((extent) => extent !== 1) || loss.dtype !== "float32") {
    throw new ShapeError(
      `Cannot differentiate ${nameOf(loss)}, ${loss.dtype} ` +
        `${formatShape(loss.shape)}: wanted one float32 element`,
    );
  }
  const order = reachable([loss]);
  const onPath = markPath(order, wrt);
  const one = broadcast(loss.graph.constant(1), loss.shape);
  const gradients = new Map<Node, Node>([[loss, one]]);
  for (const node of order.reverse()) {
    const dy = gradients.get(node);
    if (dy !== undefined && onPath.has(node)) {
      pullBack(node, dy, gradients, onPath);
    }
  }
  return wrt.map((target) => {
    const gradient = gradients.get(target);
    if (gradient) return gradient;
    throw new RangeError(
      `Cannot differentiate ${nameOf(loss)} by ${nameOf(target)}: ` +
        `no gradient flows from the one to the other`,
    );
  });
}

/** The nodes through which a gradient can reach a target. */
function markPath(order: readonly Node[], wrt: readonly Node[]): Set<Node> {
  const targets = new Set(wrt);
  const onPath = new Set<Node>();
  for (const node of order) {
    const passes = recordOf(node).vjp !== null &&
      node.inputs.some((input) => onPath.has(input));
    const carries = node.dtype === "float32";
    if (carries && (passes || targets.has(node))) onPath.add(node);
  }
  return onPath;
}

/** Adds what `dy` contributes to the gradients of the node's inputs. */
function pullBack(
  node: Node,
  dy: Node,
  gradients: Map<Node, Node>,
  onPath: ReadonlySet<Node>,
): void {
  const { vjp } = recordOf(node);
  if (vjp === null || !node.inputs.some((input) => onPath.has(input))) return;
  // The mark lets listings and profiles tell backward work from forward work.
  const scope = node.scope.endsWith("'") ? node.scope : `${node.scope}'`;
  node.graph.withScope(scope, () => {
    for (const [at, partial] of vjp(dy, node).entries()) {
      const input = node.inputs[at]!;
      if (partial === null || !onPath.has(input)) continue;
      if (!sameShape(partial.shape, input.shape)) {
        throw new Error(
          `internal: the vjp of ${node.op} gave input ${at} a gradient of ` +
            `shape ${formatShape(partial.shape)}, wanted ` +
            formatShape(input.shape),
        );
      }
      const known = gradients.get(input);
      gradients.set(input, known ? add(known, partial) : partial);
    }
  });
}
