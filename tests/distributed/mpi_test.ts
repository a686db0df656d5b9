// Open MPI as a communicator: what ranks exchange, and how they end when one
// of them fails.
import {
  assert,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { sliceOf } from "../../src/distributed/communicator.ts";
import { connectMpi, MpiError } from "../../src/distributed/mpi.ts";
import { mpiTest, outcomeOf, startRanks } from "./support.ts";

Deno.test("sliceOf() shares every row once, none by more than one row", () => {
  for (const size of [1, 2, 3, 4, 7]) {
    for (const rows of [0, 1, 2, 3, 5, 64, 101]) {
      let next = 0;
      const lengths: number[] = [];
      for (let rank = 0; rank < size; rank++) {
        const { from, to } = sliceOf(rows, { rank, size });
        assertEquals(from, next);
        lengths.push(to - from);
        next = to;
      }
      assertEquals(next, rows);
      assert(Math.max(...lengths) - Math.min(...lengths) <= 1);
    }
  }
});

mpiTest("ranks add up, broadcast and compare what they hold", async () => {
  const outcome = await outcomeOf(startRanks(3, ["rank_exchange.ts"]));
  assertEquals(outcome.code, 0, outcome.stderr);
  const lines = outcome.stdout.trim().split("\n").map((line) =>
    JSON.parse(line)
  ).sort((a, b) => a.rank - b.rank);
  assertEquals(lines.length, 3);
  for (const [rank, line] of lines.entries()) {
    assertEquals(line, {
      rank,
      size: 3,
      isSame: true,
      inWasm: [4.5, 4.5, 4.5],
      around: [0, 0],
      // Doubles, for in float32 the first would be infinite.
      doubles: [1e300, 6],
      // The second overflows, as int32 does.
      integers: [3, -(2 ** 30)],
      sent: 10,
      gathered: [0, 1, 4],
      errors: [
        "DisagreementError: Cannot train on 3 ranks: rank 2 has another data " +
        "than rank 0, wanted the same everywhere",
        "DisagreementError: Cannot train on 3 ranks: rank 1 has another " +
        "learning rate than rank 0, wanted the same everywhere",
        "DisagreementError: Cannot train on 3 ranks: rank 1 runs another " +
        "version of the program than rank 0",
      ],
    });
  }
});

// That a rank may throw or be killed is in training_test.ts and resume_test.ts.
for (
  const [fault, code, message] of [
    ["exit", 3, "Exit code:    3"],
    ["abort", 7, "rank 1 gives up"],
  ] as const
) {
  mpiTest(`all ranks end when one of them fails: ${fault}`, async () => {
    const outcome = await outcomeOf(startRanks(2, ["rank_fault.ts", fault]));
    assertEquals([outcome.code, outcome.stdout], [code, ""], outcome.stderr);
    assertStringIncludes(outcome.stderr, message);
  });
}

mpiTest("all ranks end when one of them lacks the library", async () => {
  const { code, stdout, stderr } = await outcomeOf(
    startRanks(1, ["rank_fault.ts"], ["rank_fault.ts", "library"]),
  );
  assertEquals([code, stdout], [1, ""], stderr);
  assertStringIncludes(stderr, "Cannot load Open MPI: libmpi-none.so: ");
});

mpiTest("connectMpi() refuses a process that mpirun has not started", () => {
  assertThrows(
    () => connectMpi(),
    MpiError,
    "mpirun has not started this one; start it as in `mpirun -n 4 ",
  );
  return Promise.resolve();
});

Deno.test({
  name: "connectMpi() says how to get a library that is missing",
  ignore: Deno.build.os !== "linux" ||
    Deno.permissions.querySync({ name: "ffi" }).state !== "granted",
  fn() {
    const error = assertThrows(
      () => connectMpi({ library: "libmpi-none.so" }),
      MpiError,
      "Cannot load Open MPI: libmpi-none.so: ",
    );
    assertStringIncludes(error.message, "apt-get install openmpi-bin");
    // Any other library will do for one that is no Open MPI.
    assertThrows(
      () => connectMpi({ library: "libc.so.6" }),
      MpiError,
      "it has no ompi_mpi_comm_world",
    );
  },
});
