/**
 * The driver of rewrite rules: applies small local rules bottom-up until none
 * fires. It knows no rule; whether rewriting pays is for passes to decide.
 */
import {
  type Graph,
  type Node,
  type OpName,
  reachable,
} from "../graph/node.ts";

/** One local rewrite. */
export interface Rule {
  /** What the rule is called in messages and tests. */
  readonly name: string;
  /** The operations it looks at. */
  readonly on: readonly OpName[];
  /** An equal node that is better, or null; operands are final already. */
  readonly rewrite: (node: Node) => Node | null;
  /** A small graph in which the rule fires: documentation and test. */
  readonly example: (graph: Graph) => Node;
}

/** Rules are small: more firings than these are a loop. */
const FIRINGS_PER_NODE = 20;
const FIRINGS_AT_LEAST = 1000;

/** How many rules a message about a loop names. */
const NAMED_RULES = 10;

/** What is told of each firing. */
export type OnRule = (rule: Rule, before: Node, after: Node) => void;

/** The same operation on other operands of the same types. */
export function withInputs(node: Node, inputs: readonly Node[]): Node {
  if (inputs.every((input, at) => input === node.inputs[at])) return node;
  // Scopes follow the node, wherever the rewriting happens.
  return node.graph.withScope(
    node.scope,
    () => node.graph.intern(node.op, inputs, node.attrs as never, node),
  );
}

/**
 * Rewrites everything some outputs depend on, to a fixpoint of the rules.
 *
 * @param outputs The nodes to start from.
 * @param rules In order of preference.
 * @param onRule Called after each firing.
 * @returns Equal nodes, in the order of `outputs`.
 * @throws {Error} If the rules do not come to an end: a bug of this package.
 */
export function applyRules(
  outputs: readonly Node[],
  rules: readonly Rule[],
  onRule?: OnRule,
): Node[] {
  const byOp = new Map<OpName, Rule[]>();
  for (const rule of rules) {
    for (const op of rule.on) {
      byOp.set(op, [...byOp.get(op) ?? [], rule]);
    }
  }
  return new Rewriting(byOp, onRule).run(outputs);
}

/** One run of the driver. */
class Rewriting {
  readonly #rules: ReadonlyMap<OpName, readonly Rule[]>;
  readonly #onRule: OnRule | undefined;
  /** The final form of a node. */
  readonly #final = new Map<Node, Node>();
  /** What a rule made of a node; not final yet. */
  readonly #became = new Map<Node, Node>();
  readonly #recent: string[] = [];
  #fired = 0;
  #limit = 0;

  constructor(
    rules: ReadonlyMap<OpName, readonly Rule[]>,
    onRule: OnRule | undefined,
  ) {
    this.#rules = rules;
    this.#onRule = onRule;
  }

  run(outputs: readonly Node[]): Node[] {
    // In this order operands are final when their users come, so that only
    // what rules make anew needs a stack.
    const order = reachable(outputs);
    this.#limit = FIRINGS_AT_LEAST + FIRINGS_PER_NODE * order.length;
    for (const node of order) this.#finish(node);
    return outputs.map((node) => this.#final.get(node)!);
  }

  /** Makes one node final, and before it everything it turns out to need. */
  #finish(start: Node): void {
    const pending = [start];
    for (let node = pending.at(-1); node; node = pending.at(-1)) {
      const next = this.#final.has(node) ? null : this.#advance(node);
      if (next === null) pending.pop();
      else pending.push(next);
    }
  }

  /** Goes one step further with a node, or says what must be final first. */
  #advance(node: Node): Node | null {
    let next = this.#became.get(node);
    if (next === undefined) {
      for (const input of node.inputs) {
        if (!this.#final.has(input)) return input;
      }
      next = this.#rebuilt(node);
      if (next === node) next = this.#fire(node) ?? node;
      if (next === node) {
        this.#final.set(node, node);
        return null;
      }
      this.#became.set(node, next);
    }
    const final = this.#final.get(next);
    if (final === undefined) return next;
    this.#final.set(node, final);
    return null;
  }

  /** The node on the final forms of its operands. */
  #rebuilt(node: Node): Node {
    for (const input of node.inputs) {
      if (this.#final.get(input) !== input) {
        return withInputs(
          node,
          node.inputs.map((input) => this.#final.get(input)!),
        );
      }
    }
    return node;
  }

  #fire(node: Node): Node | null {
    const rules = this.#rules.get(node.op);
    if (rules === undefined) return null;
    return node.graph.withScope(node.scope, () => {
      for (const rule of rules) {
        const after = rule.rewrite(node);
        if (after === null || after === node) continue;
        this.#count(rule);
        this.#onRule?.(rule, node, after);
        return after;
      }
      return null;
    });
  }

  #count({ name }: Rule): void {
    this.#recent.push(name);
    if (this.#recent.length > NAMED_RULES) this.#recent.shift();
    if (++this.#fired <= this.#limit) return;
    throw new Error(
      `internal: rewriting does not end; the last rules were ` +
        this.#recent.join(", "),
    );
  }
}
