/** Header blocks of SPDY/3 (draft section 2.6.10): name and value pairs in one zlib stream per direction. */
import { constants, inflateRawSync } from 'node:zlib';
import { streamErrors } from './errors.ts';
import { spdyDictionary, spdyDictionaryId } from './spdy-dictionary.ts';

/** Names in lower case; several values of a name are joined by NUL. */
export type SpdyHeaders = Readonly<Record<string, string>>;

/** Far above what remote commands send (five short pairs), and the most that one block may inflate to. */
const blockBytesMax = 16 * 1024;
const pairsMax = 100;
const windowBytes = 32 * 1024;

/**
 * Reads the blocks of one direction, in order. Senders flush the zlib stream after each block, so that a block is
 * whole bytes and inflates alone with what came before as its dictionary: no state but that window, nothing waits.
 */
export class HeaderBlockReader {
  #window: Buffer = spdyDictionary;
  #begun = false;

  /** Throws StreamProtocolViolated on a block that is damaged, of another dictionary, or too large when inflated. */
  read(block: Uint8Array): SpdyHeaders {
    const plain = this.#inflate(this.#begun ? block : withoutZlibHead(block));
    this.#begun = true;
    const window = Buffer.concat([this.#window, plain]);
    this.#window = window.length > windowBytes ? Buffer.from(window.subarray(-windowBytes)) : window;
    return parsePairs(plain);
  }

  #inflate(block: Uint8Array): Buffer {
    try {
      return inflateRawSync(block, {
        dictionary: this.#window,
        finishFlush: constants.Z_SYNC_FLUSH,
        maxOutputLength: blockBytesMax,
      });
    } catch (cause) {
      throw streamErrors.error(
        'StreamProtocolViolated',
        `SPDY: a header block does not inflate to at most ${blockBytesMax} bytes`,
        { cause },
      );
    }
  }
}

/** Writes the blocks of one direction as stored deflate blocks: pairs this short gain nothing from compression. */
export class HeaderBlockWriter {
  #begun = false;

  write(headers: SpdyHeaders): Buffer {
    const plain = encodePairs(headers);
    if (plain.length > blockBytesMax) throw new Error(`SPDY: headers of ${plain.length} bytes`);
    const parts = [this.#begun ? Buffer.alloc(0) : zlibHead(), storedHead(plain.length), plain, storedHead(0)];
    this.#begun = true;
    return Buffer.concat(parts);
  }
}

/** CMF and FLG with a dictionary (RFC 1950), then the dictionary's id. */
function zlibHead(): Buffer {
  const head = Buffer.from([0x78, 0xbb, 0, 0, 0, 0]);
  head.writeUInt32BE(spdyDictionaryId, 2);
  return head;
}

/** The head of a stored block that is not the last (RFC 1951 section 3.2.4). An empty one is zlib's sync flush. */
function storedHead(length: number): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt16LE(length, 1);
  head.writeUInt16LE(length ^ 0xffff, 3);
  return head;
}

function withoutZlibHead(block: Uint8Array): Uint8Array {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength);
  const valid = bytes.length >= 2 && ((bytes[0] ?? 0) & 0x0f) === 8 && bytes.readUInt16BE(0) % 31 === 0;
  const preset = valid && ((bytes[1] ?? 0) & 0x20) !== 0;
  if (!preset || bytes.length < 6 || bytes.readUInt32BE(2) !== spdyDictionaryId) {
    throw streamErrors.error(
      'StreamProtocolViolated',
      'SPDY: the header blocks are not zlib with the dictionary of SPDY/3',
    );
  }
  return bytes.subarray(6);
}

function parsePairs(plain: Buffer): SpdyHeaders {
  let at = 0;
  const number = (): number => {
    if (at + 4 > plain.length) throw damaged();
    at += 4;
    return plain.readUInt32BE(at - 4);
  };
  const text = (): string => {
    const length = number();
    if (length > plain.length - at) throw damaged();
    at += length;
    return plain.toString('utf8', at - length, at);
  };
  const count = number();
  if (count > pairsMax) throw damaged();
  const headers = Object.create(null) as Record<string, string>;
  for (let index = 0; index < count; index++) {
    const name = text().toLowerCase();
    if (name in headers) throw damaged();
    headers[name] = text();
  }
  if (at !== plain.length) throw damaged();
  return headers;
}

function encodePairs(headers: SpdyHeaders): Buffer {
  const pairs = Object.entries(headers);
  const number = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const text = (value: string): Buffer[] => [number(Buffer.byteLength(value)), Buffer.from(value)];
  return Buffer.concat([
    number(pairs.length),
    ...pairs.flatMap(([name, value]) => [...text(name.toLowerCase()), ...text(value)]),
  ]);
}

function damaged(): Error {
  return streamErrors.error('StreamProtocolViolated', 'SPDY: a header block is damaged');
}
