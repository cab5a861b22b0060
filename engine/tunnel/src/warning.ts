/** `Warning: 299`, which kubectl prints even where it drops the Status of a failure (facts/stack.md D.4). */

const textMax = 1_000;

/** The header's value: one line of a quoted-string (RFC 9110 section 5.6.4); long texts are cut. */
export function warningValue(text: string): string {
  const line = text
    .slice(0, textMax)
    .replaceAll(/[^\x20-\x7e]/g, ' ')
    .replaceAll(/["\\]/g, String.raw`\$&`);
  return `299 - "${line}"`;
}
