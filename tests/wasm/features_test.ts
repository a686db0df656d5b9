// Feature detection against modules the engine really runs.

import { assertEquals } from "@std/assert";
import { detectFeatures } from "../../src/wasm/features.ts";

Deno.test("detectFeatures() finds what this Deno has and answers once", () => {
  const features = detectFeatures();
  assertEquals(features, { relaxedSimd: true, sharedMemory: true });
  assertEquals(detectFeatures() === features, true);
});
