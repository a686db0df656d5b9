// Records the counts of all plans, to be looked at and committed when they have
// changed for a reason: deno run -R -W tests/compile/record_counts.ts
import { countAll, RECORD } from "./counts.ts";

Deno.writeTextFileSync(RECORD, `${JSON.stringify(countAll(), null, 2)}\n`);
