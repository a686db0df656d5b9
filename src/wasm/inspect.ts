/**
 * Reads back a module that the assembler wrote: its functions with their
 * sizes, instructions and calls. For listings and tests; it validates nothing.
 */
import { LANE, MEMORY, MEMORY_LANE, PLAIN } from "./instructions.ts";

/** One function of a module. */
export interface ModuleFunction {
  /** Its index among all functions. */
  readonly index: number;
  /** Its name, as profilers show it. */
  readonly name: string;
  /** The name under which it is exported, if it is. */
  readonly exported: string | undefined;
  /** The size of its code in bytes. */
  readonly bytes: number;
  /** How often each instruction stands in it. */
  readonly instructions: ReadonlyMap<string, number>;
  /** The functions that it calls, each once. */
  readonly calls: readonly number[];
}

/** What follows the code of an instruction. */
type Immediate = "none" | "index" | "memory" | "lane" | "memoryLane" | number;

const CONTROL: Readonly<Record<number, readonly [string, Immediate]>> = {
  0x00: ["unreachable", "none"],
  0x02: ["block", "index"],
  0x03: ["loop", "index"],
  0x04: ["if", "index"],
  0x05: ["else", "none"],
  0x0b: ["end", "none"],
  0x0c: ["br", "index"],
  0x0d: ["br_if", "index"],
  0x0f: ["return", "none"],
  0x10: ["call", "index"],
  0x1a: ["drop", "none"],
  0x1b: ["select", "none"],
  0x1c: ["select", 2],
  0x20: ["local.get", "index"],
  0x21: ["local.set", "index"],
  0x22: ["local.tee", "index"],
  0x41: ["i32.const", "index"],
  0x42: ["i64.const", "index"],
  0x43: ["f32.const", 4],
  0x44: ["f64.const", 8],
  0xfc000a: ["memory.copy", 2],
  0xfc000b: ["memory.fill", 1],
  0xfd000c: ["v128.const", 16],
  0xfd000d: ["i8x16.shuffle", 16],
  0xfe0003: ["atomic.fence", 1],
};

/** Every instruction that the assembler can write, by code. */
const BY_CODE: ReadonlyMap<number, readonly [string, Immediate]> = new Map([
  ...Object.entries(CONTROL).map(([code, rest]) =>
    [Number(code), rest] as const
  ),
  ...named(PLAIN, "none"),
  ...named(MEMORY, "memory"),
  ...named(LANE, "lane"),
  ...named(MEMORY_LANE, "memoryLane"),
]);

function named(
  table: Readonly<Record<string, readonly [code: number, ...unknown[]]>>,
  immediate: Immediate,
): (readonly [number, readonly [string, Immediate]])[] {
  return Object.entries(table).map(([name, [code]]) =>
    [code, [name, immediate]] as const
  );
}

const SECTION = { custom: 0, import: 2, export: 7, code: 10 };
const PREFIXES = [0xfc, 0xfd, 0xfe];

/** Reads bytes from the first on. */
class Reader {
  at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get done(): boolean {
    return this.at >= this.#bytes.length;
  }

  byte(): number {
    if (this.done) throw new Error("internal: the module ends too early");
    return this.#bytes[this.at++]!;
  }

  /** LEB128; the sign does not matter to those who read. */
  unsigned(): number {
    let value = 0;
    for (let shift = 0;; shift += 7) {
      const byte = this.byte();
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
  }

  take(length: number): Uint8Array {
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  name(): string {
    return new TextDecoder().decode(this.take(this.unsigned()));
  }

  list<T>(read: () => T): T[] {
    return Array.from({ length: this.unsigned() }, read);
  }
}

/**
 * Lists the functions of a module.
 *
 * @param bytes A module of the assembler.
 * @returns Its functions, imported ones left out.
 * @throws {Error} If it is none of the assembler's.
 */
export function inspectModule(bytes: Uint8Array): ModuleFunction[] {
  const reader = new Reader(bytes);
  reader.take(8);
  let imported = 0;
  let exported = new Map<number, string>();
  let names = new Map<number, string>();
  let bodies: Uint8Array[] = [];
  while (!reader.done) {
    const id = reader.byte();
    const section = new Reader(reader.take(reader.unsigned()));
    if (id === SECTION.import) imported = countImports(section);
    else if (id === SECTION.export) exported = readExports(section);
    else if (id === SECTION.code) {
      bodies = section.list(() => section.take(section.unsigned()));
    } else if (id === SECTION.custom && section.name() === "name") {
      section.byte();
      section.unsigned();
      names = new Map(
        section.list(() => [section.unsigned(), section.name()]),
      );
    }
  }
  return bodies.map((body, at) => {
    const index = imported + at;
    return {
      index,
      name: names.get(index) ?? "",
      exported: exported.get(index),
      bytes: body.length,
      ...readBody(body),
    };
  });
}

function countImports(section: Reader): number {
  const kinds = section.list(() => {
    section.name();
    section.name();
    const kind = section.byte();
    const isMemory = kind === 2;
    const flags = section.unsigned();
    if (isMemory) section.unsigned();
    if (isMemory && (flags & 1) === 1) section.unsigned();
    return kind;
  });
  return kinds.filter((kind) => kind === 0).length;
}

function readExports(section: Reader): Map<number, string> {
  const entries = section.list(() => {
    const name = section.name();
    section.byte();
    return [section.unsigned(), name] as const;
  });
  return new Map(entries);
}

function readBody(
  body: Uint8Array,
): Pick<ModuleFunction, "instructions" | "calls"> {
  const reader = new Reader(body);
  reader.list(() => [reader.unsigned(), reader.byte()]);
  const instructions = new Map<string, number>();
  const calls = new Set<number>();
  while (!reader.done) {
    const [name, immediate] = readInstruction(reader);
    instructions.set(name, (instructions.get(name) ?? 0) + 1);
    if (name === "call") calls.add(reader.unsigned());
    else skip(reader, immediate);
  }
  return { instructions, calls: [...calls] };
}

function readInstruction(reader: Reader): readonly [string, Immediate] {
  const first = reader.byte();
  const code = PREFIXES.includes(first)
    ? first * 0x10000 + reader.unsigned()
    : first;
  const known = BY_CODE.get(code);
  if (known) return known;
  throw new Error(`internal: no instruction has the code ${code.toString(16)}`);
}

function skip(reader: Reader, immediate: Immediate): void {
  switch (immediate) {
    case "none":
      return;
    case "index":
      reader.unsigned();
      return;
    case "memory":
    case "memoryLane":
      reader.unsigned();
      reader.unsigned();
      if (immediate === "memoryLane") reader.byte();
      return;
    case "lane":
      reader.byte();
      return;
    default:
      reader.take(immediate);
  }
}
