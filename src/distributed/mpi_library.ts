/**
 * Open MPI's shared library, opened: its functions as they are in C, and the
 * addresses that stand for its communicator, types and operations. It starts
 * nothing; see mpi.ts.
 */

/** The name of Open MPI's library in its versions 4 and 5. */
export const MPI_LIBRARY = "libmpi.so.40";

/** Thrown where processes cannot be joined by MPI; says what to do about it. */
export class MpiError extends Error {
  /** The error's name, `"MpiError"`. */
  override name = "MpiError";
}

/** The end of every message: how to do without. */
const INSTEAD = "or set training.distributed to none";

const FUNCTIONS = {
  MPI_Init: { parameters: ["pointer", "pointer"], result: "i32" },
  MPI_Finalize: { parameters: [], result: "i32" },
  MPI_Abort: { parameters: ["pointer", "i32"], result: "i32" },
  MPI_Barrier: { parameters: ["pointer"], result: "i32" },
  MPI_Comm_rank: { parameters: ["pointer", "buffer"], result: "i32" },
  MPI_Comm_size: { parameters: ["pointer", "buffer"], result: "i32" },
  MPI_Allreduce: {
    // Sent, received, count, type, operation, communicator.
    parameters: ["pointer", "buffer", "i32", "pointer", "pointer", "pointer"],
    result: "i32",
  },
  MPI_Bcast: {
    // Buffer, count, type, root, communicator.
    parameters: ["buffer", "i32", "pointer", "i32", "pointer"],
    result: "i32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** Open MPI's handles are the addresses of these variables of the library. */
const HANDLES = {
  world: "ompi_mpi_comm_world",
  float32: "ompi_mpi_float",
  float64: "ompi_mpi_double",
  int32: "ompi_mpi_int32_t",
  sum: "ompi_mpi_op_sum",
} as const;

/** The library's functions. */
export type MpiFunctions = Deno.DynamicLibrary<typeof FUNCTIONS>["symbols"];

/** What the library's functions take: communicator, types, operation. */
export type MpiHandles = Readonly<
  Record<keyof typeof HANDLES, Deno.PointerObject>
>;

/** The library, open. */
export interface MpiLibrary {
  /** Its functions, as in C. */
  readonly functions: MpiFunctions;
  /** Its constants. */
  readonly handles: MpiHandles;
  /** Whether a launcher of Open MPI has started this process. */
  readonly isLaunched: boolean;
}

const LIBC = {
  dlopen: { parameters: ["buffer", "i32"], result: "pointer" },
  dlsym: { parameters: ["pointer", "buffer"], result: "pointer" },
  dlerror: { parameters: [], result: "pointer" },
  getenv: { parameters: ["buffer"], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

type Libc = Deno.DynamicLibrary<typeof LIBC>["symbols"];

const RTLD_NOW = 2;
const RTLD_GLOBAL = 0x100;

/** Set by mpirun, and by other launchers that speak PMIx, such as srun. */
const LAUNCHER_VARIABLES = ["OMPI_COMM_WORLD_SIZE", "PMIX_RANK"];

/**
 * Opens Open MPI.
 *
 * @param path The library's name or path.
 * @returns Its functions and constants.
 * @throws {MpiError} If it is not there, is another MPI, or may not be used.
 */
export function openMpiLibrary(path: string): MpiLibrary {
  if (Deno.build.os !== "linux") {
    throw new MpiError(
      `Cannot use MPI on ${Deno.build.os}: wanted Linux; run in one process, ` +
        INSTEAD,
    );
  }
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") {
    throw new MpiError(
      `Cannot use MPI without the permission to call native code: run with ` +
        `--allow-ffi, ${INSTEAD}`,
    );
  }
  const libc = Deno.dlopen("libc.so.6", LIBC).symbols;
  const found = handlesOf(path, libc);
  return {
    functions: Deno.dlopen(path, FUNCTIONS).symbols,
    handles: found,
    isLaunched: LAUNCHER_VARIABLES.some((name) =>
      libc.getenv(cString(name)) !== null
    ),
  };
}

/**
 * Deno opens libraries for itself alone, but Open MPI's plugins look for its
 * symbols among the global ones; so it is opened for all first.
 */
function handlesOf(path: string, libc: Libc): MpiHandles {
  const library = libc.dlopen(cString(path), RTLD_NOW | RTLD_GLOBAL);
  if (library === null) {
    throw new MpiError(
      `Cannot load Open MPI: ${lastError(libc)}; install it on every host ` +
        `(Debian: apt-get install openmpi-bin libopenmpi-dev), ${INSTEAD}`,
    );
  }
  const entries = Object.entries(HANDLES).map(([name, symbol]) => {
    const address = libc.dlsym(library, cString(symbol));
    if (address !== null) return [name, address];
    throw new MpiError(
      `Cannot use ${JSON.stringify(path)}: it has no ${symbol}; wanted the ` +
        `library of Open MPI 4 or 5, ${INSTEAD}`,
    );
  });
  return Object.fromEntries(entries);
}

function lastError(libc: Libc): string {
  const text = libc.dlerror();
  return text === null
    ? "the library is not there"
    : Deno.UnsafePointerView.getCString(text);
}

/** A text as C has them, ended by a zero. */
function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}
