/**
 * Brings a product into the form that the emitter takes: one loop each for m,
 * n and k, outer loops around them, and operands that lie as vectors need
 * them. Pure arithmetic on strides.
 */
import type {
  LoopKernel,
  Operand,
  ProductKernel,
  Value,
  View,
} from "./kernel.ts";

/** A loop with its stride in each of a, b and out, in elements. */
export interface Axis {
  readonly extent: number;
  readonly a: number;
  readonly b: number;
  readonly out: number;
}

/** A product of matrices within outer loops. */
export interface Nest {
  /** Loops around the product, outermost first. */
  readonly outer: readonly Axis[];
  readonly m: Axis;
  readonly n: Axis;
  readonly k: Axis;
  /** Whether loops over k lie outside, so that the product must add. */
  readonly addsOuter: boolean;
}

const ONE: Axis = { extent: 1, a: 0, b: 0, out: 0 };

/** Arranges the loops of a product; `tile` replaces the batch's extent. */
export function nestOf(kernel: ProductKernel, tile: number): Nest {
  const { a, b, out, roles } = kernel;
  const axes = kernel.extents.map((extent, loop): Axis => ({
    extent: loop === kernel.tiledLoop ? tile : extent,
    a: a.strides[loop]!,
    b: b.strides[loop]!,
    out: out.strides[loop]!,
  }));
  const cut = (start: number, count: number): Axis[] =>
    merge(
      axes.slice(start, start + count).filter(({ extent }) => extent !== 1),
    );
  const batch = cut(0, roles.batch);
  const m = cut(roles.batch, roles.m);
  const n = cut(roles.batch + roles.m, roles.n);
  const k = cut(roles.batch + roles.m + roles.n, roles.k);
  // The innermost of each role makes the matrices; the others go outside.
  const [im, inn, ik] = [m.pop() ?? ONE, n.pop() ?? ONE, k.pop() ?? ONE];
  return {
    outer: [...batch, ...m, ...n, ...k],
    m: im,
    n: inn,
    k: ik,
    addsOuter: k.length > 0,
  };
}

/** Joins neighbouring loops that every operand runs through without a jump. */
function merge(axes: readonly Axis[]): Axis[] {
  const merged: Axis[] = [];
  for (const axis of axes) {
    const last = merged.at(-1);
    const abuts = last &&
      (["a", "b", "out"] as const).every((side) =>
        last[side] === axis[side] * axis.extent
      );
    if (abuts) {
      merged[merged.length - 1] = {
        ...axis,
        extent: last.extent * axis.extent,
      };
    } else merged.push(axis);
  }
  return merged;
}

/** Whether the emitter can take a product as it lies. */
export function isDirect(nest: Nest): boolean {
  const { n, k } = nest;
  if (n.extent > 1 && n.out !== 1) return false;
  const rows = n.b === 1 || n.extent === 1;
  const dots = (k.b === 1 || k.extent === 1) && (k.a === 1 || k.extent === 1);
  return rows || dots;
}

/** Fewer columns do not make good for copying the left operand. */
const SHARING_COLUMNS = 64;
/** Nor do fewer rows, of which six are multiplied at once. */
const TURNING_ROWS = 12;
/** Nor do products that save less time than compiling the copy takes. */
const LEAST_WORK = 1 << 17;
/** Larger copies would leave the second-level cache. */
const MAX_SCRATCH = 1 << 17;

/**
 * How the left operand is copied so that its rows lie side by side: the
 * elements from one k to the next. 0 where that does not pay: it takes about
 * two operations an element, and spares one in fifteen vectors of columns.
 */
export function scratchStride({ m, n, k }: Nest): number {
  const lies = k.a === 1 && m.a !== 1 && n.b === 1;
  const stride = 4 * Math.ceil(m.extent / 4);
  const pays = n.extent >= SHARING_COLUMNS && m.extent >= TURNING_ROWS &&
    stride * k.extent <= MAX_SCRATCH &&
    m.extent * n.extent * k.extent >= LEAST_WORK;
  if (!lies || !pays) return 0;
  // Whole lines of the cache would fall on few of its sets.
  return stride % 16 === 0 ? stride + 4 : stride;
}

/** A product that does not lie as the emitter wants it, element by element. */
export function asLoops(kernel: ProductKernel): LoopKernel {
  const { batch, m, n, k } = kernel.roles;
  const all = kernel.extents.map((_, loop) => loop);
  const [bs, ms, ns, ks] = [
    all.slice(0, batch),
    all.slice(batch, batch + m),
    all.slice(batch + m, batch + m + n),
    all.slice(batch + m + n, batch + m + n + k),
  ];
  const cut = kernel.tiledLoop;
  const rest = [...bs!, ...ms!, ...ks!, ...ns!].filter((loop) => loop !== cut);
  const loops = cut < 0 ? rest : [cut, ...rest];
  const padded = loops.length < 2;
  const view = ({ buffer, offset, strides, tileStride }: Operand): View => ({
    buffer,
    offset,
    strides: [...loops.map((loop) => strides[loop]!), ...(padded ? [0] : [])],
    tileStride,
  });
  const float = { dtype: "float32" as const };
  const load = (side: Operand): Value => {
    const seen = view(side);
    return {
      op: "load",
      view: seen,
      scalar: seen.strides.at(-1) === 0,
      ...float,
    };
  };
  const [a, b, out] = [load(kernel.a), load(kernel.b), view(kernel.out)];
  const values: Value[] = [
    a,
    b,
    { op: "mul", args: [0, 1], scalar: a.scalar && b.scalar, ...float },
  ];
  if (!padded && out.strides.at(-1) === 0) {
    values.push({ op: "rowSum", arg: 2, scalar: true, ...float });
  }
  return {
    kind: "loop",
    name: kernel.name,
    extents: [
      ...loops.map((loop) => kernel.extents[loop]!),
      ...(padded ? [1] : []),
    ],
    tiled: cut >= 0,
    values,
    stores: [{ view: out, value: values.length - 1, add: true }],
    clears: kernel.clears,
  };
}
