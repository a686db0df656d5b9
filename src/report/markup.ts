/**
 * Markup that cannot be broken by what is put into it: a template tag that
 * escapes everything but markup. It knows HTML and SVG alike, and no element.
 */

/** Text that is markup already. */
export class Markup {
  /**
   * @param text Well-formed HTML or SVG, taken as it is.
   */
  constructor(readonly text: string) {}
}

/** What a template takes: text is escaped, nothing and false leave no trace. */
export type Content =
  | Markup
  | string
  | number
  | false
  | undefined
  | readonly Content[];

/**
 * The tag of a template of markup. Attribute values must stand in double
 * quotes.
 *
 * @param strings The markup between the values.
 * @param values What goes in: text and numbers escaped, markup as it is, lists
 * item by item.
 * @returns The whole as markup.
 */
export function markup(
  strings: TemplateStringsArray,
  ...values: readonly Content[]
): Markup {
  const parts = strings.map((text, at) =>
    at === 0 ? text : textOf(values[at - 1]) + text
  );
  return new Markup(parts.join(""));
}

function textOf(value: Content): string {
  if (value === undefined || value === false) return "";
  if (value instanceof Markup) return value.text;
  if (typeof value === "object") return value.map(textOf).join("");
  return escapeText(String(value));
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}
