/**
 * Options that several commands have, so that they mean the same everywhere.
 */

/** What a configuration is made from. */
export const CONFIG_FLAGS = {
  config: {
    short: "c",
    value: "FILE",
    help: "YAML configuration; without it, the built-in defaults " +
      "(configs/default.yaml shows them, every key commented)",
  },
  set: {
    value: "KEY=VALUE",
    many: true,
    help: "set a key of the configuration, such as training.epochs=5; the " +
      "value is YAML; the last of several for one key counts",
  },
} as const;

/** The model that a command uses. */
export const MODEL_FLAG = {
  short: "m",
  value: "FILE",
  required: true,
  help: "the trained model, a .safetensors file of weft",
} as const;
