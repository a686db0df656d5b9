// One rank of training_test.ts: trains and writes what came of it to a file in
// a folder. The arguments are the folder and cases of train_case.ts. Not to
// standard output, where long lines of ranks mix.
import { connectMpi } from "../../src/distributed/mpi.ts";
import { type Line, trainCase } from "./train_case.ts";

const [folder, ...names] = Deno.args;
const ranks = connectMpi();
const lines: Record<string, Line> = {};
for (const name of names) lines[name] = await trainCase(name, ranks);
Deno.writeTextFileSync(`${folder}/${ranks.rank}.json`, JSON.stringify(lines));
