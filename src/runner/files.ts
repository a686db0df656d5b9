/** Questions about files, under the name that the runner knows them by. */
export * from "../files/paths.ts";
