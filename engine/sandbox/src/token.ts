/** Comparing secrets without telling by the time taken how much of them was right. */
import { createHash, timingSafeEqual } from 'node:crypto';

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

/** Whether a header has this value. */
export function fixedEquals(given: string | readonly string[] | undefined, wanted: string): boolean {
  return typeof given === 'string' && timingSafeEqual(sha256(given), sha256(wanted));
}
