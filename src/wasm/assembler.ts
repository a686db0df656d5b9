// Builds a WebAssembly module: types, imports, functions, exports, data and names, put into sections. The
// inside of a function is function_builder.ts; what a kernel computes is decided elsewhere.

import { ByteWriter } from "./bytes.ts";
import {
  FunctionBuilder,
  type FunctionRef,
  type Local,
} from "./function_builder.ts";
import { type Signature, TYPE_CODE, type ValueType } from "./instructions.ts";

export { FunctionBuilder } from "./function_builder.ts";
export type { FunctionRef, Label, Local } from "./function_builder.ts";
export type { Signature, ValueType } from "./instructions.ts";

/** Size of an imported memory in pages of 65536 bytes. */
export interface MemoryLimits {
  readonly initial: number;
  /** Needed when the memory is shared. */
  readonly maximum?: number;
  readonly shared?: boolean;
}

/** How a function is declared. */
export interface FunctionOptions<
  P extends readonly ValueType[] = readonly ValueType[],
> {
  readonly params?: P;
  readonly results?: readonly ValueType[];
  /** Export under the function's name (true) or another. */
  readonly export?: boolean | string;
}

/** One local handle for each parameter type. */
export type ParamLocals<P extends readonly ValueType[]> = {
  readonly [K in keyof P]: Local<P[K]>;
};

interface Import {
  readonly module: string;
  readonly name: string;
}

const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  export: 7,
  code: 10,
  data: 11,
};
const KIND = { function: 0, memory: 2 };

/** Collects the parts of a WebAssembly module and writes its binary. */
export class ModuleBuilder {
  readonly #types: Signature[] = [];
  readonly #typeIndex = new Map<string, number>();
  readonly #imports: (FunctionRef & Import)[] = [];
  readonly #functions: { ref: FunctionRef; body: Uint8Array | undefined }[] =
    [];
  readonly #exports: { name: string; index: number }[] = [];
  readonly #data: { address: number; bytes: Uint8Array }[] = [];
  #memory: (Import & MemoryLimits) | undefined;

  /** Imports the module's memory. */
  importMemory(module: string, name: string, limits: MemoryLimits): void {
    if (limits.shared === true && limits.maximum === undefined) {
      throw new TypeError(
        `Cannot import memory "${module}.${name}": a shared memory needs a maximum`,
      );
    }
    this.#memory = { module, name, ...limits };
  }

  /** Imports a function; all imports come before the first function, since indices count from them. */
  importFunction(
    module: string,
    name: string,
    options: Pick<FunctionOptions, "params" | "results"> = {},
  ): FunctionRef {
    if (this.#functions.length > 0) {
      throw new TypeError(
        `Cannot import function "${module}.${name}": wanted before function "${
          this.#functions[0]!.ref.name
        }"`,
      );
    }
    const { params = [], results = [] } = options;
    const index = this.#imports.length;
    const ref = { index, name, params, results, module };
    this.#imports.push(ref);
    return ref;
  }

  /**
   * Adds a function whose body is emitted by `body`, which gets the builder and a local for each parameter.
   * Further functions may be added while the body is emitted.
   */
  addFunction<const P extends readonly ValueType[] = []>(
    name: string,
    options: FunctionOptions<P>,
    body: (f: FunctionBuilder, ...params: ParamLocals<P>) => void,
  ): FunctionRef {
    const { params = [], results = [] } = options;
    const index = this.#imports.length + this.#functions.length;
    const ref: FunctionRef = { index, name, params, results };
    const entry = { ref, body: undefined as Uint8Array | undefined };
    this.#functions.push(entry);
    if (options.export !== undefined && options.export !== false) {
      const exported = options.export === true ? name : options.export;
      this.#exports.push({ name: exported, index });
    }
    const builder = new FunctionBuilder(name, ref, (type) => this.#type(type));
    body(builder, ...(builder.params as unknown as ParamLocals<P>));
    entry.body = builder.finish();
    return ref;
  }

  /** Adds bytes that are copied into the memory when the module is instantiated. */
  addData(address: number, bytes: Uint8Array): void {
    this.#data.push({ address, bytes });
  }

  /** Writes the binary. */
  finish(): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter(1 << 14);
    out.word(0x6d736100);
    out.word(1);
    // Interning while sections are written would come too late for the type section, which is the first.
    const declared = this.#functions.map(({ ref }) => this.#type(ref));
    const imported = this.#imports.map((ref) => this.#type(ref));
    this.#writeTypes(out);
    this.#writeImports(out, imported);
    this.#section(out, SECTION.function, declared, (type) => {
      out.unsigned(type);
    });
    this.#section(out, SECTION.export, this.#exports, ({ name, index }) => {
      out.name(name);
      out.byte(KIND.function);
      out.unsigned(index);
    });
    this.#section(out, SECTION.code, this.#functions, ({ ref, body }) => {
      if (body === undefined) {
        throw new TypeError(
          `Cannot finish the module: function "${ref.name}" is not complete`,
        );
      }
      out.unsigned(body.length);
      out.raw(body);
    });
    this.#section(out, SECTION.data, this.#data, ({ address, bytes }) => {
      out.byte(0);
      out.byte(0x41);
      out.signed(address);
      out.byte(0x0b);
      out.unsigned(bytes.length);
      out.raw(bytes);
    });
    this.#writeNames(out);
    return out.view();
  }

  #type(signature: Signature): number {
    const key = `${signature.params.join()}:${signature.results.join()}`;
    const known = this.#typeIndex.get(key);
    if (known !== undefined) return known;
    this.#typeIndex.set(key, this.#types.length);
    return this.#types.push(signature) - 1;
  }

  #section<T>(
    out: ByteWriter,
    id: number,
    items: readonly T[],
    write: (item: T) => void,
  ): void {
    if (items.length === 0) return;
    out.byte(id);
    out.sized(() => {
      out.unsigned(items.length);
      for (const item of items) write(item);
    });
  }

  #writeTypes(out: ByteWriter): void {
    this.#section(out, SECTION.type, this.#types, (signature) => {
      out.byte(0x60);
      for (const types of [signature.params, signature.results]) {
        out.unsigned(types.length);
        for (const type of types) out.byte(TYPE_CODE[type]);
      }
    });
  }

  #writeImports(out: ByteWriter, types: readonly number[]): void {
    const writers = this.#imports.map(({ module, name, index }) => () => {
      out.name(module);
      out.name(name);
      out.byte(KIND.function);
      out.unsigned(types[index]!);
    });
    const memory = this.#memory;
    if (memory !== undefined) {
      writers.push(() => {
        out.name(memory.module);
        out.name(memory.name);
        out.byte(KIND.memory);
        const { initial, maximum, shared = false } = memory;
        out.byte((maximum === undefined ? 0 : 1) | (shared ? 2 : 0));
        out.unsigned(initial);
        if (maximum !== undefined) out.unsigned(maximum);
      });
    }
    this.#section(out, SECTION.import, writers, (write) => write());
  }

  #writeNames(out: ByteWriter): void {
    const refs = [...this.#imports, ...this.#functions.map(({ ref }) => ref)];
    if (refs.length === 0) return;
    out.byte(SECTION.custom);
    out.sized(() => {
      out.name("name");
      out.byte(1);
      out.sized(() => {
        out.unsigned(refs.length);
        for (const { index, name } of refs) {
          out.unsigned(index);
          out.name(name);
        }
      });
    });
  }
}
