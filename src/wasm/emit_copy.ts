/**
 * Emits loop kernels that only copy, and read across the rows they write: as
 * transpositions. Element by element, each would be a load of its own.
 */
import type { LoopKernel, View } from "../compile/kernel.ts";
import type { FunctionBuilder } from "./assembler.ts";
import { type Place, Pointers } from "./pointers.ts";
import { emitTransposition } from "./transposition.ts";

/** Where a value is read and written. */
interface Copy {
  readonly from: View;
  readonly to: View;
}

/**
 * Emits the body of a kernel as transpositions, if it consists of them.
 *
 * @returns Whether it did; otherwise nothing has been emitted.
 */
export function emitCopies(
  f: FunctionBuilder,
  kernel: LoopKernel,
  place: Place,
): boolean {
  const copies = copiesOf(kernel);
  if (copies === null) return false;
  for (const copy of copies) {
    emitCopy(f, copy, kernel.extents, place, acrossOf(copy));
  }
  return true;
}

/** What is copied, or null if that is not all, or not across rows. */
function copiesOf({ extents, values, stores }: LoopKernel): Copy[] | null {
  if (values.length === 0 || extents.at(-1)! < 4) return null;
  const copies: Copy[] = [];
  for (const { view: to, value, add } of stores) {
    const source = values[value]!;
    if (source.op !== "load" || source.view.lookup || add) return null;
    const copy = { from: source.view, to };
    if (acrossOf(copy) < 0) return null;
    copies.push(copy);
  }
  // One copy after another must not read what another has written.
  const written = new Set(copies.map(({ to }) => to.buffer));
  const apart = copies.every(({ from }) => !written.has(from.buffer));
  return apart && copies.length === values.length ? copies : null;
}

/** The loop along which the source lies; -1 where that is the row, or none. */
function acrossOf({ from, to }: Copy): number {
  const row = to.strides.length - 1;
  if (to.lookup || to.strides[row] !== 1 || from.strides[row]! <= 1) return -1;
  return from.strides.findIndex((stride, loop) =>
    stride === 1 && to.strides[loop]! > 1
  );
}

function emitCopy(
  f: FunctionBuilder,
  { from, to }: Copy,
  extents: readonly number[],
  place: Place,
  across: number,
): void {
  const row = extents.length - 1;
  // The loops around; the last stride of a view is that along its row.
  const around = (view: View): View => ({
    ...view,
    strides: [
      ...view.strides.filter((_, loop) => loop !== across && loop !== row),
      0,
    ],
  });
  const outer = extents.filter((_, loop) => loop !== across && loop !== row);
  const pointers = new Pointers(f, place, outer);
  const [source, result] = [around(from), around(to)];
  pointers.declare([source, result]);
  const [a, b] = [f.local("i32"), f.local("i32")];
  const set = (view: View, local: typeof a): void => {
    f.i32Const(pointers.push(view, 0));
    f.emit("i32.add");
    f.localSet(local);
  };
  pointers.loops(() => {
    set(source, a);
    set(result, b);
    emitTransposition(
      f,
      {
        rows: extents[row]!,
        columns: extents[across]!,
        from: from.strides[row]!,
        to: to.strides[across]!,
        padded: false,
      },
      a,
      b,
    );
  });
  f.release(a, b);
}
