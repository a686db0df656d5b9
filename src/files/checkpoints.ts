/**
 * A folder of checkpoints: each is a training between two steps, as one file.
 * A new one is written beside the others and moved to its place, so that the
 * last one stays readable whatever happens. When there is one is not decided
 * here.
 */
import { join } from "node:path";
import type { NDArray } from "../array.ts";
import type { TrainingSnapshot, TrainingState } from "../nn/snapshot.ts";
import { VERSION } from "../version.ts";
import { type ByteSource, withFile } from "./byte_source.ts";
import { FileError, OutputError } from "./errors.ts";
import { describeFileError, inspect } from "./paths.ts";
import { isTemporary, replaceFile } from "./place.ts";
import { openSafetensors, writeSafetensors } from "./safetensors.ts";
import { isJsonObject, type Json, parseStrictJson } from "./strict_json.ts";

/** What a checkpoint holds. */
export interface Checkpoint {
  /** Where it is. */
  readonly path: string;
  /** The training, to go on from. */
  readonly snapshot: TrainingSnapshot;
  /** The configuration that it was trained with. */
  readonly config: Json;
}

/** What tells a checkpoint from other files in the same format. */
const FORMAT = "weft-checkpoint";

/** Names of checkpoints; other files in the folder are left alone. */
const NAME = /^step-(\d{10,15})\.safetensors$/;

/** The last one, and the one before should the last be damaged. */
const KEPT = 2;

/** The checkpoints of one run. */
export class Checkpoints {
  /** The folder. */
  readonly path: string;

  /**
   * Names a folder, and leaves it as it is.
   *
   * @param path Where it is or will be.
   */
  constructor(path: string) {
    this.path = path;
  }

  /**
   * Writes a checkpoint, and then removes those that it makes superfluous.
   *
   * @param snapshot The training.
   * @param config What it is trained with.
   * @throws {OutputError} If it cannot be written. Those before it are still
   * there then.
   */
  write({ tensors, state }: TrainingSnapshot, config: object): void {
    const bytes = writeSafetensors(tensors, {
      format: FORMAT,
      weft: VERSION,
      state: JSON.stringify(state),
      config: JSON.stringify(config),
    });
    const place = join(this.path, nameOf(state.step));
    try {
      Deno.mkdirSync(this.path, { recursive: true });
      replaceFile(place, bytes);
      this.#prune(state.step);
    } catch (error) {
      throw new OutputError(place, describeFileError(error));
    }
  }

  /**
   * The steps of which there are checkpoints, readable or not.
   *
   * @returns The steps, the newest first.
   * @throws {FileError} If the folder is there and cannot be read.
   */
  steps(): number[] {
    try {
      if (inspect(this.path) === undefined) return [];
      return Array.from(Deno.readDirSync(this.path), ({ name }) => name)
        .flatMap((name) => NAME.exec(name)?.[1] ?? [])
        .map(Number).sort((a, b) => b - a);
    } catch (error) {
      throw new FileError(this.path, describeFileError(error));
    }
  }

  /**
   * Reads the newest checkpoint that can be read.
   *
   * @param onDamaged Told of each one that is newer and cannot.
   * @returns The checkpoint; nothing if there is none at all.
   * @throws {FileError} If there are some and none can be read.
   */
  newest(onDamaged: (error: FileError) => void): Checkpoint | undefined {
    const damaged: FileError[] = [];
    for (const step of this.steps()) {
      const path = join(this.path, nameOf(step));
      try {
        const found = withFile(path, (source) => decode(source, step));
        damaged.forEach(onDamaged);
        return found;
      } catch (error) {
        if (!(error instanceof FileError)) throw error;
        damaged.push(error);
      }
    }
    if (damaged[0] !== undefined) throw damaged[0];
    return undefined;
  }

  /**
   * Those of later steps stay: they are damaged ones that the training has gone
   * back from, and it will write them anew.
   */
  #prune(step: number): void {
    const superfluous = this.steps().filter((other) => other < step)
      .slice(KEPT - 1).map(nameOf);
    // What a process that was killed has left unfinished.
    const unfinished = Array.from(Deno.readDirSync(this.path), (x) => x.name)
      .filter(isTemporary);
    for (const name of [...superfluous, ...unfinished]) {
      Deno.removeSync(join(this.path, name));
    }
  }
}

function nameOf(step: number): string {
  return `step-${String(step).padStart(10, "0")}.safetensors`;
}

/** The training itself is checked where it goes on. */
function decode(source: ByteSource, step: number): Checkpoint {
  const { metadata, tensors, read } = openSafetensors(source);
  const refuse = (reason: string) => new FileError(source.name, reason);
  if (metadata["format"] !== FORMAT) {
    throw refuse(
      `it is no checkpoint: its metadata have no format "${FORMAT}"`,
    );
  }
  const jsonOf = (key: string): { readonly [key: string]: Json } => {
    try {
      const json = parseStrictJson(metadata[key] ?? "");
      if (isJsonObject(json)) return json;
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
    throw refuse(`the "${key}" of its metadata is no JSON object`);
  };
  const [state, config] = [jsonOf("state"), jsonOf("config")];
  if (state["step"] !== step) {
    throw refuse(`it is of step ${state["step"]}, wanted ${step} as it says`);
  }
  const arrays = Array.from(tensors, ([name, { dtype }]) => {
    if (dtype !== "F32") throw refuse(`${name} is ${dtype}, wanted F32`);
    return [name, read(name) as NDArray<Float32Array>] as const;
  });
  return {
    path: source.name,
    snapshot: {
      tensors: Object.fromEntries(arrays),
      state: state as unknown as TrainingState,
    },
    config,
  };
}
