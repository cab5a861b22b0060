/** Randomness that is the same in every run with the same seed (xoshiro128**, seeded by splitmix32). */
import type { Random } from '@polyanthus/ground-base/random';

/** Random numbers from `seed` (its lower 32 bits). Never for keys of anything that lives longer than a test. */
export function createSeededRandom(seed: number): Random {
  const next = xoshiro(seed);
  const bytes = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => next() >>> 24);
  return { float: () => next() / 0x1_0000_0000, bytes, uuid: () => uuidOf(bytes(16)) };
}

function xoshiro(seed: number): () => number {
  const seeder = splitmix(seed);
  let [a, b, c, d] = [seeder(), seeder(), seeder(), seeder()];
  return () => {
    const result = Math.imul(rotate(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotate(d, 11);
    return result;
  };
}

function splitmix(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
}

const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by));

/** RFC 9562 section 5.4: version and variant bits over random ones. */
function uuidOf(bytes: Uint8Array): string {
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
