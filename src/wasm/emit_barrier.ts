/**
 * Emits the place where threads meet. They turn round for a while, since most
 * come within microseconds of one another; those who wait longer sleep.
 */
import type { FunctionRef, ModuleBuilder } from "./assembler.ts";

/** Where in memory threads meet: addresses of 32-bit words, 0 at first. */
export interface Meeting {
  /** How many have come. */
  readonly arrived: number;
  /** Counts how often all have met. */
  readonly round: number;
  /** How many sleep until the round is over. */
  readonly sleepers: number;
  /** Not 0 if one of the threads has failed: nobody waits any more then. */
  readonly failed: number;
}

/** How a barrier is emitted. */
export interface BarrierOptions {
  /** How many threads meet. */
  readonly threads: number;
  /** How often a thread looks before it sleeps. */
  readonly spins: number;
}

/**
 * Emits a barrier.
 *
 * @returns A function that returns when all threads have called it, and traps
 * when one has failed. What they wrote before, all of them see behind it.
 */
export function emitBarrier(
  module: ModuleBuilder,
  at: Meeting,
  { threads, spins }: BarrierOptions,
): FunctionRef {
  return module.addFunction("barrier", {}, (f) => {
    const [round, turns] = [f.local("i32"), f.local("i32")];
    const load = (address: number): void => {
      f.i32Const(address);
      f.memory("i32.atomic.load");
    };
    const add = (address: number, value: number): void => {
      f.i32Const(address);
      f.i32Const(value);
      f.memory("i32.atomic.rmw.add");
    };
    const stopIfFailed = (): void => {
      load(at.failed);
      f.if(() => f.unreachable());
    };
    const isOver = (): void => {
      load(at.round);
      f.localGet(round);
      f.emit("i32.ne");
    };
    // Who fails does so before the round ends by it: this order misses none.
    load(at.round);
    f.localSet(round);
    stopIfFailed();
    add(at.arrived, 1);
    f.i32Const(threads - 1);
    f.emit("i32.eq");
    f.if(() => {
      f.i32Const(at.arrived);
      f.i32Const(0);
      f.memory("i32.atomic.store");
      add(at.round, 1);
      f.drop();
      load(at.sleepers);
      f.if(() => {
        f.i32Const(at.round);
        f.i32Const(threads);
        f.memory("memory.atomic.notify");
        f.drop();
      });
      f.return();
    });
    f.block((over) => {
      f.i32Const(spins);
      f.localSet(turns);
      f.loop((again) => {
        isOver();
        f.brIf(over);
        f.localGet(turns);
        f.i32Const(1);
        f.emit("i32.sub");
        f.localTee(turns);
        f.brIf(again);
      });
      add(at.sleepers, 1);
      f.drop();
      f.loop((again) => {
        f.i32Const(at.round);
        f.localGet(round);
        f.i64Const(-1n);
        f.memory("memory.atomic.wait32");
        f.drop();
        isOver();
        f.emit("i32.eqz");
        f.brIf(again);
      });
      add(at.sleepers, -1);
      f.drop();
    });
    stopIfFailed();
  });
}
