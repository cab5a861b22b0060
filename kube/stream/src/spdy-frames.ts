/** SPDY/3.1 frames: bytes to frames and back (draft section 2.6). Pure; the session is in `spdy.ts`. */
import { streamErrors } from './errors.ts';
import { HeaderBlockReader, type HeaderBlockWriter, type SpdyHeaders } from './spdy-headers.ts';

/** Frame types by the draft's numbers. */
const types = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

/** RST_STREAM status codes that we send. */
export const rstStatus = { protocolError: 1, invalidStream: 2, refusedStream: 3, cancel: 5 } as const;

export type SpdyFrame =
  | { readonly type: 'synStream'; readonly streamId: number; readonly headers: SpdyHeaders; readonly fin: boolean }
  | {
      readonly type: 'synReply' | 'headers';
      readonly streamId: number;
      readonly headers: SpdyHeaders;
      readonly fin: boolean;
    }
  | { readonly type: 'rstStream'; readonly streamId: number; readonly status: number }
  | { readonly type: 'ping'; readonly id: number }
  | { readonly type: 'goAway'; readonly lastGoodStreamId: number; readonly status: number };

/** Where a reader puts what it found. SETTINGS, WINDOW_UPDATE and unknown types have no effect here and are left out. */
export interface SpdySink {
  /** A piece of a DATA frame, as it arrived; `fin` comes with the last piece of the last frame. */
  data(streamId: number, piece: Uint8Array, fin: boolean): void;
  frame(frame: SpdyFrame): void;
}

const headBytes = 8;
/** The largest control frame that is read whole. */
const controlBytesMax = 64 * 1024;
const flagFin = 1;
const nothing = new Uint8Array(0);

/** Reads frames that came in any split; throws StreamProtocolViolated, and must not be fed again after that. */
export class SpdyFrameReader {
  readonly #sink: SpdySink;
  readonly #headers = new HeaderBlockReader();
  readonly #head = Buffer.alloc(headBytes);
  #headLength = 0;
  /** The control frame's payload being gathered; undefined in a DATA frame. */
  #control: Buffer | undefined;
  #left = 0;

  constructor(sink: SpdySink) {
    this.#sink = sink;
  }

  push(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      if (this.#headLength < headBytes) rest = this.#takeHead(rest);
      else if (this.#control === undefined) rest = this.#takeData(rest);
      else rest = this.#takeControl(rest, this.#control);
    }
  }

  #takeHead(bytes: Uint8Array): Uint8Array {
    const part = bytes.subarray(0, headBytes - this.#headLength);
    this.#head.set(part, this.#headLength);
    this.#headLength += part.length;
    if (this.#headLength === headBytes) this.#begin();
    return bytes.subarray(part.length);
  }

  #begin(): void {
    this.#left = this.#head.readUIntBE(5, 3);
    const isControl = (this.#head[0] ?? 0) >= 0x80;
    if (isControl && this.#left > controlBytesMax) throw violation(`a control frame of ${this.#left} bytes`);
    this.#control = isControl ? Buffer.alloc(this.#left) : undefined;
    if (this.#left > 0) return;
    if (isControl) this.#dispatch(Buffer.alloc(0));
    else this.#data(nothing);
  }

  #takeData(bytes: Uint8Array): Uint8Array {
    const part = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes;
    this.#left -= part.length;
    this.#data(part);
    return bytes.subarray(part.length);
  }

  #data(piece: Uint8Array): void {
    const streamId = this.#head.readUInt32BE(0);
    const ends = this.#left === 0;
    if (ends) this.#headLength = 0;
    if (streamId === 0) throw violation('data on stream 0');
    this.#sink.data(streamId, piece, ends && ((this.#head[4] ?? 0) & flagFin) !== 0);
  }

  #takeControl(bytes: Uint8Array, control: Buffer): Uint8Array {
    const part = bytes.subarray(0, this.#left);
    control.set(part, control.length - this.#left);
    this.#left -= part.length;
    if (this.#left === 0) this.#dispatch(control);
    return bytes.subarray(part.length);
  }

  #dispatch(payload: Buffer): void {
    this.#headLength = 0;
    const version = this.#head.readUInt16BE(0) & 0x7fff;
    if (version !== 3) throw violation(`version ${version}`);
    const fin = ((this.#head[4] ?? 0) & flagFin) !== 0;
    const frame = this.#parse(this.#head.readUInt16BE(2), payload, fin);
    if (frame !== undefined) this.#sink.frame(frame);
  }

  #parse(type: number, payload: Buffer, fin: boolean): SpdyFrame | undefined {
    const word = (at: number): number => {
      if (payload.length < at + 4) throw violation(`a frame of type ${type} with ${payload.length} bytes`);
      return payload.readUInt32BE(at);
    };
    switch (type) {
      case types.synStream:
        word(6);
        return {
          type: 'synStream',
          streamId: streamIdOf(word(0)),
          headers: this.#headers.read(payload.subarray(10)),
          fin,
        };
      case types.synReply:
      case types.headers:
        return {
          type: type === types.synReply ? 'synReply' : 'headers',
          streamId: streamIdOf(word(0)),
          headers: this.#headers.read(payload.subarray(4)),
          fin,
        };
      case types.rstStream:
        return { type: 'rstStream', streamId: streamIdOf(word(0)), status: word(4) };
      case types.ping:
        return { type: 'ping', id: word(0) };
      case types.goAway:
        return { type: 'goAway', lastGoodStreamId: word(0) & 0x7fffffff, status: payload.length >= 8 ? word(4) : 0 };
      default:
        return undefined;
    }
  }
}

/** A control frame's bytes. */
export function encodeFrame(frame: SpdyFrame, headers: HeaderBlockWriter): Buffer {
  switch (frame.type) {
    case 'synStream':
      // Associated stream, priority and credential slot: none.
      return control(types.synStream, frame.fin, [
        words(frame.streamId, 0),
        Buffer.alloc(2),
        headers.write(frame.headers),
      ]);
    case 'synReply':
    case 'headers':
      return control(types[frame.type], frame.fin, [words(frame.streamId), headers.write(frame.headers)]);
    case 'rstStream':
      return control(types.rstStream, false, [words(frame.streamId, frame.status)]);
    case 'ping':
      return control(types.ping, false, [words(frame.id)]);
    case 'goAway':
      break;
  }
  return control(types.goAway, false, [words(frame.lastGoodStreamId, frame.status)]);
}

/** The head of a DATA frame with `length` payload bytes (less than 2^24). */
export function encodeDataHead(streamId: number, length: number, fin: boolean): Buffer {
  return words(streamId, ((fin ? flagFin : 0) << 24) | length);
}

function control(type: number, fin: boolean, payload: readonly Buffer[]): Buffer {
  const length = payload.reduce((sum, part) => sum + part.length, 0);
  const head = words(0, ((fin ? flagFin : 0) << 24) | length);
  head.writeUInt16BE(0x8003, 0);
  head.writeUInt16BE(type, 2);
  return Buffer.concat([head, ...payload]);
}

function words(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, index * 4);
  return bytes;
}

function streamIdOf(word: number): number {
  const id = word & 0x7fffffff;
  if (id === 0) throw violation('a frame for stream 0');
  return id;
}

function violation(what: string): Error {
  return streamErrors.error('StreamProtocolViolated', `SPDY: ${what}`);
}
