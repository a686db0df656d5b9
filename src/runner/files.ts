// Moved; this file goes when nothing imports it any more.
export * from "../files/paths.ts";
