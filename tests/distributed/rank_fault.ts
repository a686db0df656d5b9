// One rank of mpi_test.ts: rank 1 fails as the argument says, while the others
// wait for it.
import { connectMpi } from "../../src/distributed/mpi.ts";

const [fault] = Deno.args;
const ranks = connectMpi(
  fault === "library" ? { library: "libmpi-none.so" } : {},
);
if (ranks.rank === 1) {
  if (fault === "exit") Deno.exit(3);
  if (fault === "abort") {
    // As a run does it, for mpirun sometimes loses its own words about it.
    console.error("rank 1 gives up");
    ranks.abort(7);
  }
}
ranks.barrier();
console.log("not reached");
