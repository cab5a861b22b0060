/** Randomness is passed in. The seeded one for tests is in `ground/testing`. */

export interface Random {
  /** In [0, 1). */
  float(): number;
  /** Cryptographically strong where the system one is used. */
  bytes(count: number): Uint8Array;
  /** RFC 9562 version 4. */
  uuid(): string;
}

/** The machine's randomness. */
export const systemRandom: Random = {
  float: () => {
    const words = crypto.getRandomValues(new Uint32Array(1));
    return (words[0] ?? 0) / 0x1_0000_0000;
  },
  bytes: (count) => crypto.getRandomValues(new Uint8Array(count)),
  uuid: () => crypto.randomUUID(),
};

const suffixAlphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** The suffix that Kubernetes appends for generateName: no vowels and no look-alikes (apimachinery util/rand). */
export function nameSuffix(random: Random, length = 5): string {
  let out = '';
  for (let index = 0; index < length; index++)
    out += suffixAlphabet[Math.floor(random.float() * suffixAlphabet.length)] ?? 'x';
  return out;
}
