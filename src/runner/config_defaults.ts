/**
 * What a configuration means where it says nothing. It checks nothing.
 */
import {
  type Config,
  DEFAULT_CONFIG,
  type PartialConfig,
} from "./config_types.ts";
import { mapValues } from "./mappings.ts";
import { completeTraining } from "./training_defaults.ts";

/** What a file decides by itself unless it is told. */
const FILE_DEFAULTS: PartialConfig = {
  data: { src_length: null, tgt_length: null },
};

/**
 * Fills in the defaults. Lengths are those of the longest pair by default
 * where data come from a file.
 *
 * @param partial A configuration without problems.
 * @returns The complete configuration, its keys in the order of the defaults.
 */
export function withDefaults(partial: PartialConfig): Config {
  const others = partial.data?.source === "file" ? FILE_DEFAULTS : {};
  const config = mapValues(DEFAULT_CONFIG, (defaults, section) => {
    const given: Record<string, unknown> = { ...partial[section] };
    const own: Record<string, unknown> = { ...defaults, ...others[section] };
    return mapValues(own, (value, key) => given[key] ?? value);
  }) as unknown as Config;
  return { ...config, training: completeTraining(config.training) };
}
