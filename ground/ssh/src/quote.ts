/**
 * The one argument quoter. ssh hands one string to a shell on the far side, whatever the local argv was, so every word
 * that goes there passes through here (POSIX sh: nothing is special between single quotes but the quote itself).
 */

/** Words as one command line that a POSIX shell splits into exactly these words. A NUL cannot be passed and throws. */
export function quoteWords(words: readonly string[]): string {
  return words.map(quoteWord).join(' ');
}

/** One word. */
export function quoteWord(word: string): string {
  if (word.includes('\0')) throw new Error('a word for a shell cannot contain a NUL character');
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) && !word.startsWith('-') ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
