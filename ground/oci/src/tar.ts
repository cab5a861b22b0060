/**
 * A tar archive (POSIX ustar) that is the same bytes for the same input: fixed times and owners, entries in the order
 * given. Long names go into the prefix field; what does not fit there is refused.
 */
import { ociErrors } from './errors.ts';

/** One entry. Paths have no leading slash; folders end without one. */
export type TarEntry =
  | { readonly kind: 'file'; readonly path: string; readonly mode: number; readonly content: Uint8Array }
  | { readonly kind: 'folder'; readonly path: string; readonly mode: number }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string };

const block = 512;

/** The archive's bytes in pieces. `mtimeSeconds` is the same for every entry. */
export function* tar(entries: Iterable<TarEntry>, mtimeSeconds: number): Generator<Uint8Array> {
  for (const entry of entries) {
    yield header(entry, mtimeSeconds);
    if (entry.kind !== 'file') continue;
    yield entry.content;
    const rest = entry.content.length % block;
    if (rest !== 0) yield new Uint8Array(block - rest);
  }
  yield new Uint8Array(2 * block);
}

function header(entry: TarEntry, mtimeSeconds: number): Uint8Array {
  const bytes = Buffer.alloc(block);
  const [prefix, name] = splitName(entry.kind === 'folder' ? `${entry.path}/` : entry.path);
  bytes.write(name, 0, 100, 'utf8');
  octal(bytes, entry.kind === 'symlink' ? 0o777 : entry.mode, 100, 8);
  octal(bytes, 0, 108, 8);
  octal(bytes, 0, 116, 8);
  octal(bytes, entry.kind === 'file' ? entry.content.length : 0, 124, 12);
  octal(bytes, mtimeSeconds, 136, 12);
  bytes.fill(0x20, 148, 156);
  bytes.write({ file: '0', folder: '5', symlink: '2' }[entry.kind], 156, 1, 'latin1');
  if (entry.kind === 'symlink') bytes.write(entry.target, 157, 100, 'utf8');
  bytes.write('ustar\u000000', 257, 8, 'latin1');
  bytes.write(prefix, 345, 155, 'utf8');
  const sum = bytes.reduce((total, byte) => total + byte, 0);
  bytes.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, 148, 8, 'latin1');
  return bytes;
}

function octal(bytes: Buffer, value: number, at: number, width: number): void {
  bytes.write(`${value.toString(8).padStart(width - 1, '0')}\u0000`, at, width, 'latin1');
}

/** ustar splits at a slash: up to 155 bytes before it, up to 100 after. */
function splitName(path: string): readonly [prefix: string, name: string] {
  if (Buffer.byteLength(path) <= 100) return ['', path];
  for (let slash = path.indexOf('/'); slash >= 0 && slash < path.length - 1; slash = path.indexOf('/', slash + 1)) {
    if (Buffer.byteLength(path.slice(slash + 1)) <= 100 && Buffer.byteLength(path.slice(0, slash)) <= 155)
      return [path.slice(0, slash), path.slice(slash + 1)];
  }
  throw ociErrors.error('TarNameTooLong', `path ${JSON.stringify(path)} does not fit into a tar header`);
}
