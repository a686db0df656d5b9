/**
 * Measures how fast models train and predict, and with `--peers` how fast other
 * libraries do the same. It prints tables; it keeps nothing and judges nothing
 * but that all compute the same.
 */
import { parseArgs } from "@std/cli/parse-args";
import {
  hasTorch,
  INTERPRETER,
  JAVASCRIPT,
  TORCH_EAGER,
  TORCH_GENERAL,
  TORCH_TRAINING,
  withScript,
} from "./competitors.ts";
import { type Contest, hold, type Settings } from "./contest.ts";
import { makeClassifier, makeTransformer } from "./general_shapes.ts";
import { coreCount } from "../src/run/threads.ts";
import { formatReport, type Report } from "./report.ts";
import { makeBundle, SHAPES } from "./shapes.ts";
import { compareThreads, formatThreads } from "./threads.ts";
import { writeBundle } from "./bundle.ts";

const HELP = `\
Measures training steps, predictions, compilation and memory.

Usage: deno task bench [options]

Options:
  --shapes NAMES      some of ${Object.keys(SHAPES).join(",")}; all by default
  --peers             PyTorch, tensorflow.js and jax-js as well, where they are
                      to be had; also the start of a process
  --general           a classifier and a transformer block as well
  --threads [N]       instead of all else: how many times as fast N threads are
                      as one; by default as many as there are cores
  --json              results as JSON
  --repeats N         how often to measure; the median counts (21)
  --seconds S         how long each repeat takes at least (0.1)
  --patience S        how long to wait for a quiet machine each time (15)
`;

const PARSED = {
  string: ["shapes", "repeats", "seconds", "patience", "threads"],
  boolean: ["peers", "general", "json", "help"],
  default: {
    shapes: Object.keys(SHAPES).join(),
    repeats: "21",
    seconds: "0.1",
    patience: "15",
  },
} as const;

/** What was asked for. */
interface Wanted extends Omit<Settings, "folder"> {
  readonly shapes: readonly string[];
  readonly peers: boolean;
  readonly general: boolean;
  readonly json: boolean;
  /** How many threads to compare with one; undefined for not to. */
  readonly threads: number | undefined;
}

/** Understands the arguments; a text is what is wrong with them. */
function parse(args: readonly string[]): Wanted | string {
  const unknown: string[] = [];
  const parsed = parseArgs([...args], {
    ...PARSED,
    unknown: (arg: string) => void unknown.push(arg),
  });
  if (parsed.help) return HELP;
  if (unknown.length > 0) return `Unknown argument "${unknown[0]}"\n${HELP}`;
  const shapes = parsed.shapes.split(",");
  const odd = shapes.find((name) => !Object.hasOwn(SHAPES, name));
  if (odd !== undefined) return `Unknown shape "${odd}"\n${HELP}`;
  const numbers = {
    repeats: Number(parsed.repeats),
    seconds: Number(parsed.seconds),
    patience: Number(parsed.patience),
  };
  for (const [name, value] of Object.entries(numbers)) {
    if (value >= 0) continue;
    return `Option "--${name}" needs a number, 0 or more\n${HELP}`;
  }
  const threads = threadsOf(parsed.threads);
  if (Number.isNaN(threads)) {
    return `Option "--threads" needs an integer above 1\n${HELP}`;
  }
  const { peers, general, json } = parsed;
  const say = (message: string): void => console.error(message);
  return { shapes, peers, general, json, threads, say, ...numbers };
}

/** The threads that are wanted; NaN for what is no number of them. */
function threadsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (text === "") return Math.max(2, coreCount());
  const threads = Number(text);
  return Number.isInteger(threads) && threads > 1 ? threads : NaN;
}

async function measureModel(
  wanted: Wanted,
  settings: Settings,
  torch: boolean,
): Promise<Contest[]> {
  const { shapes, peers } = wanted;
  const contests: Contest[] = [];
  for (const name of shapes) {
    writeBundle(`${settings.folder}/${name}`, makeBundle(SHAPES[name]!));
    const training = [
      INTERPRETER,
      ...torch ? TORCH_TRAINING : [],
      ...peers ? JAVASCRIPT : [],
    ];
    const predicting = [INTERPRETER, ...torch ? TORCH_EAGER : []];
    contests.push(
      await hold(name, "train", "ours.ts", training, settings),
      await hold(name, "predict", "ours.ts", predicting, settings),
    );
  }
  if (peers && shapes.includes("SMALL")) {
    const starting = [...torch ? TORCH_EAGER : [], ...JAVASCRIPT];
    contests.push(await hold("SMALL", "cold", "cold.ts", starting, settings));
  }
  return contests;
}

async function measureGeneral(
  settings: Settings,
  torch: boolean,
): Promise<Contest[]> {
  const { folder } = settings;
  const script = "general.ts";
  const others = [
    withScript(INTERPRETER, script),
    ...torch ? TORCH_GENERAL : [],
  ];
  writeBundle(`${folder}/mlp`, makeClassifier());
  writeBundle(`${folder}/transformer`, makeTransformer());
  return [
    await hold("mlp", "mlp", script, others, settings),
    await hold("transformer", "transformer", script, others, settings),
  ];
}

/** What the processor is called, where the system tells, and the runtime. */
function describeMachine(): string {
  const { deno, v8 } = Deno.version;
  const runtime = `Deno ${deno}, V8 ${v8}`;
  try {
    const text = Deno.readTextFileSync("/proc/cpuinfo");
    const name = /model name\s*:\s*(.*)/.exec(text)![1];
    return `${name}, ${runtime}`;
  } catch {
    return `${Deno.build.target}, ${runtime}`;
  }
}

async function measureAll(wanted: Wanted): Promise<Report> {
  const folder = Deno.makeTempDirSync({ prefix: "weft-bench-" });
  try {
    const settings = { ...wanted, folder };
    const torch = wanted.peers && await hasTorch();
    const contests = await measureModel(wanted, settings, torch);
    if (wanted.general) {
      contests.push(...await measureGeneral(settings, torch));
    }
    const missing = contests.flatMap(({ missing }) => missing);
    if (wanted.peers && !torch) {
      missing.unshift("Cannot measure PyTorch: python3 cannot import it");
    }
    const rows = contests.flatMap(({ rows }) => rows);
    return {
      machine: describeMachine(),
      date: new Date().toISOString(),
      rows,
      missing: [...new Set(missing)],
      ok: rows.every(({ agrees }) => agrees),
    };
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** Measures, prints, and returns the exit code. */
async function run(wanted: Wanted): Promise<number> {
  const { threads, json } = wanted;
  if (threads !== undefined) {
    const rows = await compareThreads({ ...wanted, threads });
    const machine = describeMachine();
    console.log(
      json
        ? JSON.stringify({ machine, threads, rows }, null, 2)
        : `${machine}\n\n${formatThreads(rows, threads)}`,
    );
    return rows.every(({ agrees }) => agrees) ? 0 : 1;
  }
  const report = await measureAll(wanted);
  console.log(json ? JSON.stringify(report, null, 2) : formatReport(report));
  return report.ok ? 0 : 1;
}

const wanted = parse(Deno.args);
if (typeof wanted === "string") {
  console.error(wanted);
  Deno.exitCode = wanted === HELP ? 0 : 2;
} else Deno.exitCode = await run(wanted);
