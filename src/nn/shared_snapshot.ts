/**
 * A snapshot between ranks: given from one that has read it to all, and compared
 * before they go on from it. Whether it fits the training is checked elsewhere.
 */
import { type NDArray, sizeOf } from "../array.ts";
import { agree } from "../distributed/agreement.ts";
import {
  broadcastText,
  type Communicator,
} from "../distributed/communicator.ts";
import type { TrainingSnapshot, TrainingState } from "./snapshot.ts";

/** What goes before the tensors, as JSON. */
interface Outline {
  readonly state: TrainingState;
  readonly shapes:
    readonly (readonly [name: string, shape: readonly number[]])[];
}

/**
 * Gives all ranks what rank 0 has; all call it.
 *
 * @param communicator The ranks.
 * @param snapshot That of rank 0, or nothing; what others give is not looked at.
 * @returns The snapshot of rank 0, or nothing.
 */
export function shareSnapshot(
  communicator: Communicator,
  snapshot: TrainingSnapshot | undefined,
): TrainingSnapshot | undefined {
  const own = communicator.rank === 0 ? snapshot : undefined;
  const text = broadcastText(communicator, outlineOf(own));
  if (text === "") return undefined;
  const { state, shapes }: Outline = JSON.parse(text);
  const tensors: Record<string, NDArray<Float32Array>> = {};
  for (const [name, shape] of shapes) {
    const data = own?.tensors[name]?.data ?? new Float32Array(sizeOf(shape));
    communicator.broadcast(data);
    tensors[name] = { data, shape };
  }
  return { tensors, state };
}

function outlineOf(snapshot: TrainingSnapshot | undefined): string {
  if (snapshot === undefined) return "";
  const shapes = Object.entries(snapshot.tensors)
    .map(([name, { shape }]) => [name, shape] as const);
  return JSON.stringify({ state: snapshot.state, shapes } satisfies Outline);
}

/**
 * Makes sure that all ranks go on from the same state, or all from the start.
 *
 * @param communicator The ranks.
 * @param snapshot What this one goes on from, if anything.
 * @throws {DisagreementError} If they do not; on all ranks.
 */
export function agreeOnState(
  communicator: Communicator,
  snapshot: TrainingSnapshot | undefined,
): void {
  const state = JSON.stringify(snapshot?.state ?? null);
  agree(communicator, { "snapshot to resume": state });
}

/**
 * Makes sure that all ranks go on from the same tensors.
 *
 * @param communicator The ranks.
 * @param snapshot What they go on from, checked.
 * @throws {DisagreementError} If they do not; on all ranks.
 */
export function agreeOnTensors(
  communicator: Communicator,
  { tensors }: TrainingSnapshot,
): void {
  const facts = Object.entries(tensors)
    .map(([name, { data }]) => [`${name} in the snapshot to resume`, data]);
  agree(communicator, Object.fromEntries(facts));
}
