/**
 * The configuration as a JSON Schema: what the check allows, with the defaults
 * and the comments of the built-in configuration.
 */
import { toJsonSchema } from "./config_schema.ts";
import { DEFAULT_CONFIG } from "./config_types.ts";
import { DEFAULT_TEXT, readComments } from "./default_text.ts";

/** A JSON Schema, as far as it is looked into here. */
interface Schema {
  [keyword: string]: unknown;
  properties?: Record<string, Schema>;
}

/**
 * Describes what a configuration may contain.
 *
 * @returns A JSON Schema, draft 7.
 */
export function describeConfig(): Record<string, unknown> {
  const schema: Schema = toJsonSchema();
  const comments = readComments(DEFAULT_TEXT);
  return {
    $schema: schema.$schema,
    title: "A configuration of weft",
    ...annotate(schema, DEFAULT_CONFIG, [], comments),
  };
}

/** Adds the default and the comment to every key, section by section. */
function annotate(
  schema: Schema,
  value: unknown,
  path: readonly string[],
  comments: ReadonlyMap<string, string>,
): Schema {
  const { properties, description, ...rest } = schema;
  const comment = comments.get(path.join("."));
  const text = [comment, description].filter((part) => part !== undefined);
  const annotated: Schema = { ...rest };
  if (text.length > 0) annotated.description = text.join(" Allowed: ");
  const isSection = typeof value === "object" && value !== null;
  if (value !== undefined && !isSection) annotated.default = value;
  if (properties !== undefined) {
    annotated.properties = Object.fromEntries(
      Object.entries(properties).map(([key, inner]) => [
        key,
        annotate(
          inner,
          isSection ? (value as Record<string, unknown>)[key] : undefined,
          [...path, key],
          comments,
        ),
      ]),
    );
  }
  return annotated;
}
