/** Objects that may be gone when they are asked for or changed. */
import { hasCode } from '@polyanthus/ground-base/errors';

/** What a call answers; undefined when its object is not there (NotFound). Every other failure is thrown. */
export async function unlessGone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (hasCode(error, 'NotFound')) return undefined;
    throw error;
  }
}
