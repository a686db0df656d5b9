// One rank of mpi_test.ts: exchanges numbers and prints what it then has.
import { agree } from "../../src/distributed/agreement.ts";
import { gatherInt32 } from "../../src/distributed/communicator.ts";
import { connectMpi } from "../../src/distributed/mpi.ts";

const ranks = connectMpi();
const { rank } = ranks;
const { buffer } = new WebAssembly.Memory({ initial: 1 });
const inWasm = new Float32Array(buffer, 64, 3).fill(rank + 0.5);
const doubles = new Float64Array([rank === 0 ? 1e300 : 1, 2]);
const integers = new Int32Array([rank, 2 ** 30 * rank]);
const sent = new Int32Array([rank * 10]);
ranks.allReduce(inWasm);
ranks.allReduce(doubles);
ranks.allReduce(integers);
ranks.allReduce(new Float32Array(0));
ranks.broadcast(sent, 1);
ranks.barrier();
agree(ranks, { "learning rate": "0.1", data: new Int32Array([1, 2]) });
const errors: string[] = [];
for (
  const facts of [
    { data: new Float32Array([0, rank === 2 ? 1 : 0]) },
    { "learning rate": rank === 1 ? "0.1" : "0.2", data: "same" },
    { [`only of ${rank}`]: "" },
  ]
) {
  try {
    agree(ranks, facts);
  } catch (error) {
    errors.push(String(error));
  }
}
console.log(JSON.stringify({
  rank,
  size: ranks.size,
  isSame: connectMpi() === ranks,
  inWasm: [...inWasm],
  // Beside the view nothing may change.
  around: [
    ...new Float32Array(buffer, 60, 1),
    ...new Float32Array(buffer, 76, 1),
  ],
  doubles: [...doubles],
  integers: [...integers],
  sent: sent[0],
  gathered: [...gatherInt32(ranks, rank * rank)],
  errors,
}));
