/** What somebody who mistyped a name may have meant. */

/** Names that are shown at most. */
const shownMax = 3;
/** Longer words are compared by their beginnings. */
const lengthMax = 64;

/** The names of `known` nearest to `word`, best first: at most a third of the letters differ, or one begins with the other. */
export function nearest(word: string, known: readonly string[]): readonly string[] {
  return known
    .map((name) => ({ name, distance: isBeginning(word, name) ? 0 : distanceOf(word, name) }))
    .filter(({ name, distance }) => distance <= Math.max(1, Math.floor(Math.max(word.length, name.length) / 3)))
    .toSorted((a, b) => a.distance - b.distance)
    .slice(0, shownMax)
    .map(({ name }) => name);
}

/** `did you mean a or b?` with a space before it, or nothing. */
export function didYouMean(word: string, known: readonly string[]): string {
  const names = nearest(word, known);
  return names.length === 0 ? '' : ` (did you mean ${names.join(' or ')}?)`;
}

const isBeginning = (word: string, name: string): boolean => word.length > 2 && name.startsWith(word);

/** Insertions, deletions, changes of one letter, and swaps of neighbours (optimal string alignment). */
function distanceOf(one: string, other: string): number {
  const [a, b] = [one.slice(0, lengthMax), other.slice(0, lengthMax)];
  let [before, row]: [readonly number[], number[]] = [[], Array.from({ length: b.length + 1 }, (_, index) => index)];
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      next[j] = Math.min(
        (next[j - 1] ?? 0) + 1,
        (row[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + (same ? 0 : 1),
        swapped ? (before[j - 2] ?? 0) + 1 : Infinity,
      );
    }
    [before, row] = [row, next];
  }
  return row[b.length] ?? 0;
}
