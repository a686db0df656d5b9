/**
 * Attention sequence-to-sequence models on a small define-then-run graph
 * engine.
 *
 * @module
 */

export { Random, type RandomState } from "./src/random.ts";
// Arrays.
export {
  array,
  type ArrayLike,
  type ArrayOptions,
  type NDArray,
  type Nested,
  toNested,
  type TypedArray,
} from "./src/array.ts";
