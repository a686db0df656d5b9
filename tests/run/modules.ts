// Watches the modules that plans make, and exchanges instructions in them: what
// a mistake of the emitter looks like. It asserts nothing.
import { PLAIN } from "../../src/wasm/instructions.ts";

/** Runs something and returns the bytes of every module it has compiled. */
export function modulesOf(use: () => unknown): Uint8Array[] {
  const modules: Uint8Array[] = [];
  withModules((bytes) => {
    modules.push(bytes.slice());
    return bytes;
  }, use);
  return modules;
}

/**
 * Compiles with one instruction exchanged for another of as many bytes,
 * wherever it stands.
 */
export function withExchanged<T>(
  from: keyof typeof PLAIN,
  to: keyof typeof PLAIN,
  compile: () => T,
): T {
  const old = encode(from);
  const next = encode(to);
  return withModules((bytes) => {
    const changed = bytes.slice();
    for (let at = 0; at < changed.length; at++) {
      if (old.every((byte, i) => changed[at + i] === byte)) {
        changed.set(next, at);
      }
    }
    return changed;
  }, compile);
}

function withModules<T>(
  change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
  use: () => T,
): T {
  const { Module } = WebAssembly;
  WebAssembly.Module = class extends Module {
    constructor(bytes: Uint8Array<ArrayBuffer>) {
      super(change(bytes));
    }
  };
  try {
    return use();
  } finally {
    WebAssembly.Module = Module;
  }
}

function encode(name: keyof typeof PLAIN): number[] {
  const [code] = PLAIN[name];
  const rest = code & 0xffff;
  return rest < 0x80
    ? [code >> 16, rest]
    : [code >> 16, (rest & 0x7f) | 0x80, rest >> 7];
}
