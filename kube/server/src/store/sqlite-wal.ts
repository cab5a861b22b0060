/**
 * Damage in the write-ahead log that SQLite would take for a torn tail: it stops at the first frame with a wrong checksum
 * and silently drops all later commits. A commit is synced before the next one begins, so a frame of a later commit
 * proves that the wrong one was once whole (https://www.sqlite.org/fileformat2.html#walformat).
 */
import { readFile } from 'node:fs/promises';
import { storeErrors } from './errors.ts';

const headerBytes = 32;
const frameHeaderBytes = 24;
const magic = 0x377f0682;

interface Frame {
  readonly valid: boolean;
  readonly isCommit: boolean;
}

/** Throws StoreDamaged when the log at `path` (absent or empty is fine) lost a commit that had been synced. */
export async function checkWal(path: string): Promise<void> {
  const wal = await readFile(path).catch((error: unknown) => {
    if ((error as { code?: unknown }).code === 'ENOENT') return new Uint8Array(0);
    throw error;
  });
  if (wal.length < headerBytes) return;
  const view = new DataView(wal.buffer, wal.byteOffset, wal.byteLength);
  const { frames, headerValid } = readFrames(view);
  if (!headerValid && frames.some((frame) => frame.valid)) throw damaged(path, 'its header has a wrong checksum');
  const bad = frames.findIndex((frame) => !frame.valid);
  if (bad < 0) return;
  const endOfCommit = frames.findIndex((frame, index) => index >= bad && frame.isCommit);
  if (endOfCommit < 0) return;
  if (frames.some((frame, index) => index > endOfCommit && frame.valid))
    throw damaged(path, `frame ${bad + 1} has a wrong checksum, and commits follow it`);
}

function damaged(path: string, reason: string): Error {
  return storeErrors.error('StoreDamaged', `${path}: ${reason}`);
}

/** The frames of the current generation (same salts); each is judged from the checksum that its predecessor states. */
function readFrames(view: DataView): { frames: Frame[]; headerValid: boolean } {
  const little = view.getUint32(0) === magic;
  const pageBytes = view.getUint32(8);
  const headerValid =
    (view.getUint32(0) | 1) === (magic | 1) &&
    matches(checksum(view, { little, start: 0, stop: 24 }, [0, 0]), view, 24);
  const frames: Frame[] = [];
  if (pageBytes < 512 || pageBytes > 65_536) return { frames, headerValid };
  let seed: Sum = [view.getUint32(24), view.getUint32(28)];
  // A damaged header says nothing of the generation; the first frame does.
  const salts = !headerValid && view.byteLength >= headerBytes + frameHeaderBytes ? headerBytes + 8 : 16;
  for (let at = headerBytes; at + frameHeaderBytes + pageBytes <= view.byteLength; at += frameHeaderBytes + pageBytes) {
    const sameSalts =
      view.getUint32(at + 8) === view.getUint32(salts) && view.getUint32(at + 12) === view.getUint32(salts + 4);
    const head = checksum(view, { little, start: at, stop: at + 8 }, seed);
    const sum = checksum(view, { little, start: at + frameHeaderBytes, stop: at + frameHeaderBytes + pageBytes }, head);
    frames.push({
      valid: sameSalts && matches(sum, view, at + 16),
      isCommit: sameSalts && view.getUint32(at + 4) !== 0,
    });
    seed = [view.getUint32(at + 16), view.getUint32(at + 20)];
  }
  return { frames, headerValid };
}

type Sum = readonly [number, number];

function matches(sum: Sum, view: DataView, at: number): boolean {
  return sum[0] === view.getUint32(at) && sum[1] === view.getUint32(at + 4);
}

function checksum(
  view: DataView,
  range: { readonly little: boolean; readonly start: number; readonly stop: number },
  seed: Sum,
): Sum {
  let [first, second] = seed;
  for (let at = range.start; at < range.stop; at += 8) {
    first = (first + view.getUint32(at, range.little) + second) >>> 0;
    second = (second + view.getUint32(at + 4, range.little) + first) >>> 0;
  }
  return [first, second];
}
