/**
 * The passes in order: from a graph to an equal graph that costs less. What the
 * passes do stands in their own files; this one only lists and runs them.
 */
import { sameShape } from "../array.ts";
import type { Node } from "../graph/node.ts";
import { verify } from "../graph/verify.ts";
import { graphCost } from "./cost.ts";
import { type Frozen, FROZEN_STEPS } from "./frozen.ts";
import { CONSTANT_RULES } from "./passes/constants.ts";
import { ADDEND_RULES, FACTOR_RULES } from "./passes/factor.ts";
import { IDENTITY_RULES } from "./passes/identities.ts";
import { MOVEMENT_RULES } from "./passes/movement.ts";
import { PRODUCT_RULES } from "./passes/products.ts";
import { regroup } from "./passes/reassociate.ts";
import { SPLIT_RULES } from "./passes/split.ts";
import { shareSums } from "./passes/sums.ts";
import { STABLE_RULES } from "./passes/stable.ts";
import { applyRules, type OnRule, type Rule } from "./rewrite.ts";

/** One step of rewriting. */
export interface Pass {
  /** What switches it off. */
  readonly name: string;
  /** What it is for, in a sentence. */
  readonly why: string;
  /** The rules it makes use of. */
  readonly rules: readonly Rule[];
  /** From outputs to equal outputs. */
  readonly run: (
    outputs: readonly Node[],
    onRule?: OnRule,
    frozen?: Frozen,
  ) => Node[];
}

function rulePass(name: string, why: string, rules: readonly Rule[]): Pass {
  return {
    name,
    why,
    rules,
    run: (outputs, onRule) => applyRules(outputs, rules, onRule),
  };
}

/** Like a rule pass, but taken only where the whole graph gets cheaper. */
function frugalPass(name: string, why: string, rules: readonly Rule[]): Pass {
  const { run } = rulePass(name, why, rules);
  return {
    name,
    why,
    rules,
    run(outputs, onRule, frozen) {
      const after = run(outputs, onRule);
      const [less, most] = [after, outputs].map((outputs) =>
        graphCost(outputs, frozen).total
      ) as [number, number];
      return less < most ? after : [...outputs];
    },
  };
}

/** Rules that always pay, together: each gives others work. */
const SIMPLE_RULES: readonly Rule[] = [
  ...CONSTANT_RULES,
  ...IDENTITY_RULES,
  ...MOVEMENT_RULES,
];

/** Every pass, in the order in which they run. */
export const PASSES: readonly Pass[] = [
  rulePass(
    "simplify",
    "what is known is computed, what changes nothing goes, movements merge",
    SIMPLE_RULES,
  ),
  rulePass(
    "stable",
    "softmax, cross-entropy and their gradients get short, stable forms",
    STABLE_RULES,
  ),
  rulePass(
    "products",
    "products read transposed and repeated operands as they are",
    PRODUCT_RULES,
  ),
  {
    name: "reassociate",
    why: "lookups, sums and products are grouped so that least is computed",
    rules: SPLIT_RULES,
    run: regroup,
  },
  frugalPass(
    "factor",
    "what the terms of a sum share is computed once",
    FACTOR_RULES,
  ),
  rulePass(
    "tidy",
    "what is repeated is added up before, what others left over goes",
    [...ADDEND_RULES, ...SIMPLE_RULES],
  ),
  {
    name: "sums",
    why: "a sum over more axes goes on from one over fewer of the same value",
    rules: [],
    run: shareSums,
  },
];

/** Options of {@linkcode rewrite}. */
export interface RewriteOptions {
  /** Names of passes that do not run; none by default. */
  without?: readonly string[];
  /** Whether the graph is verified after every pass; not by default. */
  check?: boolean;
  /** Called after each pass with the outputs before and after it. */
  onPass?: (
    name: string,
    before: readonly Node[],
    after: readonly Node[],
  ) => void;
  /** Called after each firing of a rule. */
  onRule?: OnRule;
  /** Variables that stay for many steps; none by default. */
  frozen?: readonly Node[];
  /** About how many steps they stay for; {@linkcode FROZEN_STEPS} by default. */
  frozenSteps?: number | undefined;
}

/**
 * Rewrites a graph into an equal one that costs less.
 *
 * @param outputs What is to be computed.
 * @param options Which passes run, and who is told.
 * @returns Equal nodes of the same shapes and dtypes, in the same order and
 * the same graph.
 * @throws {RangeError} If `without` names a pass that does not exist.
 */
export function rewrite(
  outputs: readonly Node[],
  options: RewriteOptions = {},
): Node[] {
  const { without = [], check = false, onPass, onRule } = options;
  const { frozen = [], frozenSteps = FROZEN_STEPS } = options;
  for (const name of without) {
    if (PASSES.some((pass) => pass.name === name)) continue;
    throw new RangeError(
      `Cannot leave out pass "${name}": there are ` +
        PASSES.map((pass) => `"${pass.name}"`).join(", "),
    );
  }
  const stays: Frozen = { variables: frozen, steps: frozenSteps };
  let current = [...outputs];
  for (const pass of PASSES) {
    if (without.includes(pass.name)) continue;
    const after = pass.run(current, onRule, stays);
    if (check) verify(after);
    onPass?.(pass.name, current, after);
    current = after;
  }
  for (const [at, node] of current.entries()) {
    const { shape, dtype } = outputs[at]!;
    if (node.dtype !== dtype || !sameShape(node.shape, shape)) {
      throw new Error(
        `internal: rewriting made ${node.dtype} (${node.shape}) of output ` +
          `${at}, ${dtype} (${shape})`,
      );
    }
  }
  return current;
}
