// One rank of mpi_test.ts: rank 1 fails as the argument says, while the others
// wait for it.
import { connectMpi } from "../../src/distributed/mpi.ts";

const ranks = connectMpi();
const [fault] = Deno.args;
if (ranks.rank === 1) {
  if (fault === "throw") throw new Error("a fault on rank 1");
  if (fault === "exit") Deno.exit(3);
  if (fault === "abort") ranks.abort(7);
  if (fault === "kill") Deno.kill(Deno.pid, "SIGKILL");
}
ranks.barrier();
console.log("not reached");
