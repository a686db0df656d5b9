/**
 * Stands in for `jsr:@std/yaml` on networks that reach npm but not JSR: the
 * calls weft makes, on js-yaml. It is no replacement for the whole package.
 *
 * ```ts
 * import { parse, stringify } from "@std/yaml";
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(parse(stringify({ rate: 0.001 })), { rate: 0.001 });
 * ```
 *
 * @module
 */
export { parse } from "./parse.ts";
export { stringify, type StringifyOptions } from "./stringify.ts";
