/**
 * Stands in for `jsr:@std/cli` on networks that reach npm but not JSR:
 * `parseArgs`, on minimist. It is no replacement for the whole package.
 *
 * @module
 */
export { type Args, parseArgs, type ParseOptions } from "./parse_args.ts";
