/**
 * Who is measured, and by which command. The commands take a job and answer,
 * see measure.ts.
 */

/** One of those measured. */
export interface Competitor {
  /** What tables call it. */
  readonly name: string;
  /** Which comparisons it takes part in. */
  readonly kind: "weft" | "interpreter" | "as written" | "by hand" | "js";
  /** What its script calls it. */
  readonly variant: string;
  /** A script of this folder. */
  readonly script: string;
}

const OURS = "ours.ts";
const TORCH = "peers/torch_model.py";

/** weft itself. */
export const WEFT: Competitor = {
  name: "weft",
  kind: "weft",
  variant: "compiled",
  script: OURS,
};

/** The reference interpreter. */
export const INTERPRETER: Competitor = {
  name: "weft, interpreter",
  kind: "interpreter",
  variant: "interpreter",
  script: OURS,
};

const EAGER: Competitor = {
  name: "PyTorch eager",
  kind: "as written",
  variant: "eager",
  script: TORCH,
};

/** PyTorch's ways of training. */
export const TORCH_TRAINING: readonly Competitor[] = [
  EAGER,
  { ...EAGER, name: "PyTorch eager, fused attention", variant: "eager_sdpa" },
  { ...EAGER, name: "PyTorch, loss compiled", variant: "compile" },
  { ...EAGER, name: "PyTorch, whole step compiled", variant: "full" },
  {
    ...EAGER,
    name: "PyTorch, hoisted by hand, whole step compiled",
    kind: "by hand",
    variant: "hoist2_full",
  },
];

/** PyTorch's way of predicting and of taking a first step. */
export const TORCH_EAGER: readonly Competitor[] = [EAGER];

/** Libraries for the same runtime. */
export const JAVASCRIPT: readonly Competitor[] = [
  {
    name: "tensorflow.js, wasm",
    kind: "js",
    variant: "wasm",
    script: "peers/tfjs.ts",
  },
  {
    name: "jax-js, wasm",
    kind: "js",
    variant: "wasm",
    script: "peers/jaxjs.ts",
  },
];

/** PyTorch's ways with other models. */
export const TORCH_GENERAL: readonly Competitor[] = TORCH_TRAINING
  .filter(({ variant }) => ["eager", "compile", "full"].includes(variant))
  .map((each) => ({ ...each, script: "peers/torch_general.py" }));

/** The same competitor with another script. */
export function withScript(
  competitor: Competitor,
  script: string,
): Competitor {
  return { ...competitor, script };
}

/** The command that runs a script. */
export function commandOf(script: string): string[] {
  const path = new URL(script, import.meta.url).pathname;
  if (script.endsWith(".py")) return ["python3", path];
  // The packages of others are to stay out of our lock file.
  const apart = script.startsWith("peers/") ? ["--no-config", "--no-lock"] : [];
  return [Deno.execPath(), "run", "-A", "--quiet", ...apart, path];
}

/** Whether there is PyTorch here. */
export async function hasTorch(): Promise<boolean> {
  try {
    const { success } = await new Deno.Command("python3", {
      args: ["-c", "import torch"],
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch {
    return false;
  }
}
