/**
 * Open MPI as a {@linkcode Communicator}: reductions run in place, on views of
 * WebAssembly memory too. What is computed between them is not its business.
 */
import type { Communicator, Reducible } from "./communicator.ts";
import {
  MPI_LIBRARY,
  MpiError,
  type MpiLibrary,
  openMpiLibrary,
} from "./mpi_library.ts";

export { MpiError } from "./mpi_library.ts";

/** Options of {@linkcode connectMpi}. */
export interface MpiOptions {
  /** The name or path of Open MPI's library; `"libmpi.so.40"` by default. */
  readonly library?: string;
}

/** In place of what is sent, it means: what is received is sent as well. */
const MPI_IN_PLACE = 1n;

let connected: MpiCommunicator | undefined;

/**
 * Joins the processes that mpirun has started. The first call in a process
 * waits until all have joined, others return the same communicator. A program
 * that runs to its end leaves by itself; one that fails takes the others with
 * it, since mpirun ends them.
 *
 * Needs Linux, Open MPI and `--allow-ffi`.
 *
 * @param options Where the library is.
 * @returns The processes.
 * @throws {MpiError} If the library is missing or may not be used, or mpirun
 * has not started this process.
 *
 * @example The sum over all ranks
 * ```ts ignore
 * import { connectMpi } from "jsr:@weft/seq2seq";
 *
 * const ranks = connectMpi();
 * const values = new Float32Array([ranks.rank, 1]);
 * ranks.allReduce(values);
 * if (ranks.rank === 0) console.log(values);
 * ```
 */
export function connectMpi(options: MpiOptions = {}): MpiCommunicator {
  if (connected !== undefined) return connected;
  const library = openMpiLibrary(options.library ?? MPI_LIBRARY);
  if (!library.isLaunched) {
    throw new MpiError(
      "Cannot join other processes: mpirun has not started this one; start " +
        "it as in `mpirun -n 4 deno run -A mod.ts`, or set " +
        "training.distributed to none",
    );
  }
  connected = new MpiCommunicator(library);
  return connected;
}

/** The processes of one mpirun, got by {@linkcode connectMpi}. */
export class MpiCommunicator implements Communicator {
  /** Which of the processes this is. */
  readonly rank: number;
  /** How many there are. */
  readonly size: number;
  readonly #library: MpiLibrary;
  readonly #inPlace = Deno.UnsafePointer.create(MPI_IN_PLACE);
  #isOpen = true;

  /**
   * Starts MPI; once in a process, for MPI can be started only once.
   *
   * @param library The library, opened.
   */
  constructor(library: MpiLibrary) {
    this.#library = library;
    const { functions, handles: { world } } = library;
    check(functions.MPI_Init(null, null), "start MPI");
    const number = new Int32Array(1);
    check(functions.MPI_Comm_rank(world, number), "ask MPI for the rank");
    this.rank = number[0]!;
    check(functions.MPI_Comm_size(world, number), "ask MPI for the ranks");
    this.size = number[0]!;
    // A process that ends without a word to MPI counts as failed. One that
    // has failed must not say it: it would wait for ranks that wait for it.
    globalThis.addEventListener("unload", () => {
      if (Deno.exitCode === 0) this.close();
    });
  }

  /**
   * Adds up what the ranks hold, in place.
   *
   * @param values As many on every rank; becomes the sum.
   */
  allReduce(values: Reducible): void {
    const { functions, handles } = this.#open();
    const status = functions.MPI_Allreduce(
      this.#inPlace,
      values as BufferSource,
      values.length,
      this.#typeOf(values),
      handles.sum,
      handles.world,
    );
    check(status, `add up ${values.length} numbers`);
  }

  /**
   * Gives every rank what one of them holds.
   *
   * @param values As many on every rank.
   * @param root The rank whose values all get; 0 by default.
   */
  broadcast(values: Reducible, root = 0): void {
    const { functions, handles } = this.#open();
    const status = functions.MPI_Bcast(
      values as BufferSource,
      values.length,
      this.#typeOf(values),
      root,
      handles.world,
    );
    check(status, `broadcast ${values.length} numbers`);
  }

  /** Returns once all ranks have come here. */
  barrier(): void {
    const { functions, handles } = this.#open();
    check(functions.MPI_Barrier(handles.world), "wait for the other ranks");
  }

  /**
   * Leaves MPI once all ranks do, so that none ends before the others are
   * ready. A program that ends with exit code 0 need not call it.
   */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    check(this.#library.functions.MPI_Finalize(), "leave MPI");
  }

  /**
   * Ends all ranks, this one included, without waiting for any. Nothing after
   * it runs.
   *
   * @param exitCode What the processes end with, from 1 to 255.
   */
  abort(exitCode: number): never {
    const { functions, handles } = this.#library;
    if (this.#isOpen) functions.MPI_Abort(handles.world, exitCode);
    // Not reached while MPI does what it says.
    Deno.exit(exitCode);
  }

  #open(): MpiLibrary {
    if (this.#isOpen) return this.#library;
    throw new MpiError("Cannot reach other ranks: this one has left MPI");
  }

  #typeOf(values: Reducible): Deno.PointerObject {
    const { handles } = this.#library;
    if (values instanceof Float32Array) return handles.float32;
    if (values instanceof Float64Array) return handles.float64;
    if (values instanceof Int32Array) return handles.int32;
    throw new TypeError(
      "Cannot exchange such values with other ranks: wanted a Float32Array, " +
        "a Float64Array or an Int32Array",
    );
  }
}

/** By default MPI ends all ranks where something fails; this is for the rest. */
function check(status: number, action: string): void {
  if (status === 0) return;
  throw new MpiError(`Cannot ${action}: MPI returned the error ${status}`);
}
