/**
 * What a run is told beside its configuration.
 */
import type { Communicator } from "../distributed/communicator.ts";
import type {
  EpochReport,
  PlanOptions,
  StepReport,
  TrainingSnapshot,
} from "../nn/model.ts";

/** Options of a run. */
export interface RunOptions {
  /** Ends the run early: between two steps, with what there is by then. */
  readonly signal?: AbortSignal;
  /** Called after every step. */
  readonly onStep?: (report: StepReport) => void;
  /** Called after every epoch. */
  readonly onEpoch?: (report: EpochReport) => void;
  /** A training of the same configuration to go on from. */
  readonly resume?: TrainingSnapshot;
  /** Takes a snapshot every so often, at the end, and when interrupted. */
  readonly onCheckpoint?: (
    snapshot: TrainingSnapshot,
  ) => void | Promise<void>;
  /** Steps from one snapshot to the next; by default there are none between. */
  readonly checkpointEvery?: number;
  /** How the model's plans are compiled, and whether one looks into them. */
  readonly compile?: PlanOptions;
  /** Processes that share the run, see {@linkcode connectMpi}. */
  readonly communicator?: Communicator;
}
