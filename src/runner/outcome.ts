/**
 * The end of a run in words.
 */
import type { TrainingConfig } from "./config_types.ts";
import type { History } from "./history.ts";
import type { Logger } from "./logging.ts";
import { count } from "./names.ts";
import type { RunStatus, TestResults } from "./results.ts";

/**
 * Tells how a run has ended.
 *
 * @param status How it did.
 * @param training What was asked for.
 * @param history What the epochs came to.
 * @param test What the test came to, if it took place.
 * @param log Where it is told.
 */
export function describeEnd(
  status: RunStatus,
  training: TrainingConfig,
  history: History,
  test: TestResults | undefined,
  log: Logger,
): void {
  const { bestEpoch } = history;
  const { early_stopping } = training;
  if (bestEpoch !== undefined && early_stopping !== null) {
    const epochs = history.loss.length;
    log.info(
      `Ended ${
        epochs < training.epochs ? "early " : ""
      }after epoch ${epochs}; ` +
        `the best by ${early_stopping.metric} was epoch ${bestEpoch}, ` +
        `whose weights the model has`,
    );
  }
  if (status === "interrupted") {
    log.warn(`Interrupted after ${count(history.steps, "step")}`);
  }
  if (test === undefined) return;
  const { loss, accuracy, sequence_accuracy } = test;
  if (status === "diverged") {
    log.error(
      `Cannot use the trained model: its test loss is ${loss}, wanted a ` +
        `finite number; try a smaller learning rate`,
    );
    return;
  }
  log.info(
    `Test loss ${loss?.toFixed(4)}, accuracy ${accuracy?.toFixed(4)}, ` +
      `sequence accuracy ${sequence_accuracy?.toFixed(4)}`,
  );
}
