/** The functions of a module's kernels, one for each size of tile. */
import type { Buffer, Kernel } from "../compile/kernel.ts";
import type { FunctionRef, ModuleBuilder } from "./assembler.ts";
import { emitLoop } from "./emit_loop.ts";
import { emitProductCall, ProductFunctions } from "./emit_product.ts";
import type { VectorOptions } from "./vector_emitter.ts";

/** How kernels are emitted. */
export interface KernelOptions extends VectorOptions {
  /** Whether every kernel is exported as well, to be timed or run alone. */
  readonly exportKernels?: boolean;
}

/** Emits kernels into a module. */
export class KernelFunctions {
  readonly #module: ModuleBuilder;
  readonly #address: (buffer: Buffer) => number;
  readonly #options: KernelOptions;
  readonly #products: ProductFunctions;
  #count = 0;

  constructor(
    module: ModuleBuilder,
    address: (buffer: Buffer) => number,
    options: KernelOptions,
  ) {
    this.#module = module;
    this.#address = address;
    this.#options = options;
    this.#products = new ProductFunctions(module, options);
  }

  /**
   * Emits a kernel.
   *
   * @param kernel The kernel.
   * @param tile How many iterations of the loop it is cut along it runs.
   * @param own What every thread has for itself, where several run it.
   * @returns A function of where in that loop it begins and, with `own`, of the
   * bytes from the buffers of thread 0 to those of the thread that calls.
   */
  emit(
    kernel: Kernel,
    tile: number,
    own?: ReadonlySet<Buffer>,
  ): FunctionRef {
    const exported = this.#options.exportKernels
      ? `kernel${this.#count++}`
      : false;
    const shape = kernel.kind === "product"
      ? this.#products.of(kernel, tile)
      : undefined;
    const params = own ? ["i32", "i32"] as const : ["i32"] as const;
    const signature = { params, export: exported };
    return this.#module.addFunction(kernel.name, signature, (f, ...locals) => {
      const [first, offset] = locals;
      const place = {
        address: this.#address,
        tile,
        first,
        ...(own && offset ? { own: { offset, buffers: own } } : {}),
      };
      if (kernel.kind === "loop") emitLoop(f, kernel, place, this.#options);
      else emitProductCall(f, kernel, shape!, place);
    });
  }
}
