/** The framing of RFC 6455: bytes to frames and back. Pure; sockets are in `websocket.ts`. */
import { httpErrors } from './errors.ts';

export const webSocketOpcodes = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export type WebSocketRole = 'client' | 'server';

/** Where a reader puts what it found. Payloads are handed on as they arrive; nothing is gathered but control frames. */
export interface FrameSink {
  /** A piece of a message; `first` and `last` mark its bounds. A piece can be empty. */
  piece(piece: Uint8Array, bounds: { readonly first: boolean; readonly last: boolean; readonly text: boolean }): void;
  control(opcode: number, payload: Uint8Array): void;
}

const controlPayloadMax = 125;
/** The longest head, and the longest payload that is read whole: what is held is always shorter. */
const headAndControlMax = 14 + controlPayloadMax;
/** Bounds on what a peer may send; `maxMessageBytes` counts all frames of a message. */
export interface FrameLimits {
  readonly maxFrameBytes: number;
  readonly maxMessageBytes: number;
}

const nothing = new Uint8Array(0);

/**
 * Reads frames that came in any split. Throws UnexpectedProtocol on a violation and BodyTooLarge above a limit; after a throw it must not be fed again. Holds at most one frame head or one control frame.
 */
export class WebSocketFrameReader {
  readonly #peerMasks: boolean;
  readonly #limits: FrameLimits;
  readonly #sink: FrameSink;
  /** Bytes of an unfinished head or control frame. */
  #held: Uint8Array = nothing;
  #left = 0;
  #messageBytes = 0;
  #mask: Uint8Array | undefined;
  #maskAt = 0;
  #final = false;
  #first = false;
  /** Undefined between messages. */
  #text: boolean | undefined;

  constructor(role: WebSocketRole, limits: FrameLimits, sink: FrameSink) {
    this.#peerMasks = role === 'server';
    this.#limits = limits;
    this.#sink = sink;
  }

  /** True in the middle of a frame or a message: an end of the bytes here is a cut. */
  get unfinished(): boolean {
    return this.#left > 0 || this.#held.length > 0 || this.#text !== undefined;
  }

  push(bytes: Uint8Array): void {
    let rest = bytes;
    while (rest.length > 0) {
      if (this.#left > 0) rest = this.#payload(rest);
      else {
        const before = this.#held.length;
        const joined = before === 0 ? rest : Buffer.concat([this.#held, rest.subarray(0, headAndControlMax - before)]);
        const used = this.#head(joined);
        if (used === 0) {
          this.#held = Uint8Array.from(joined);
          return;
        }
        this.#held = nothing;
        rest = rest.subarray(used - before);
      }
    }
  }

  #payload(bytes: Uint8Array): Uint8Array {
    const part = bytes.length > this.#left ? bytes.subarray(0, this.#left) : bytes;
    this.#left -= part.length;
    const clear = this.#mask === undefined ? part : masked(part, this.#mask, this.#maskAt);
    this.#maskAt = (this.#maskAt + part.length) & 3;
    this.#deliver(clear, this.#left === 0);
    return bytes.subarray(part.length);
  }

  #deliver(piece: Uint8Array, frameEnds: boolean): void {
    const text = this.#text === true;
    const first = this.#first;
    const last = frameEnds && this.#final;
    this.#first = false;
    if (last) this.#text = undefined;
    this.#sink.piece(piece, { first, last, text });
  }

  /** Reads one head, and a whole control frame; answers how many bytes it took, 0 when more are needed. */
  #head(bytes: Uint8Array): number {
    if (bytes.length < 2) return 0;
    const head0 = bytes[0] ?? 0;
    const head1 = bytes[1] ?? 0;
    const opcode = head0 & 0x0f;
    if ((head0 & 0x70) !== 0) throw violation('reserved bits are set');
    if (((head1 & 0x80) !== 0) !== this.#peerMasks)
      throw violation(this.#peerMasks ? 'a client frame is not masked' : 'a server frame is masked');
    const short = head1 & 0x7f;
    const isControl = opcode >= 8;
    if (isControl && (short > controlPayloadMax || (head0 & 0x80) === 0))
      throw violation('a control frame is fragmented or too long');
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0;
    const headBytes = 2 + lengthBytes + (this.#peerMasks ? 4 : 0);
    if (bytes.length < headBytes) return 0;
    const length = lengthBytes === 0 ? short : readLength(bytes, lengthBytes);
    if (length > this.#limits.maxFrameBytes) throw tooLarge('frame', this.#limits.maxFrameBytes);
    const mask = this.#peerMasks ? effectiveMask(bytes.subarray(headBytes - 4, headBytes)) : undefined;
    if (isControl) return this.#control(bytes, { opcode, headBytes, length, mask });
    this.#begin(opcode, (head0 & 0x80) !== 0);
    this.#messageBytes += length;
    if (this.#messageBytes > this.#limits.maxMessageBytes) throw tooLarge('message', this.#limits.maxMessageBytes);
    this.#mask = mask;
    this.#maskAt = 0;
    this.#left = length;
    if (length === 0) this.#deliver(nothing, true);
    return headBytes;
  }

  #control(
    bytes: Uint8Array,
    frame: {
      readonly opcode: number;
      readonly headBytes: number;
      readonly length: number;
      readonly mask: Uint8Array | undefined;
    },
  ): number {
    const { opcode, headBytes, length, mask } = frame;
    if (opcode > webSocketOpcodes.pong) throw violation(`unknown opcode ${opcode}`);
    if (bytes.length < headBytes + length) return 0;
    const payload = bytes.subarray(headBytes, headBytes + length);
    this.#sink.control(opcode, mask === undefined ? payload : masked(payload, mask, 0));
    return headBytes + length;
  }

  #begin(opcode: number, final: boolean): void {
    if (opcode > webSocketOpcodes.binary) throw violation(`unknown opcode ${opcode}`);
    const continues = opcode === webSocketOpcodes.continuation;
    if (continues !== (this.#text !== undefined))
      throw violation(continues ? 'a continuation without a beginning' : 'a new message inside another');
    if (!continues) {
      this.#text = opcode === webSocketOpcodes.text;
      this.#first = true;
      this.#messageBytes = 0;
    }
    this.#final = final;
  }
}

/** The head of a frame with `length` payload bytes; `mask` (4 bytes) on a client's. */
export function encodeFrameHead(opcode: number, length: number, mask: Uint8Array | undefined): Uint8Array {
  const lengthBytes = length > 0xffff ? 8 : length > controlPayloadMax ? 2 : 0;
  const head = new Uint8Array(2 + lengthBytes + (mask === undefined ? 0 : 4));
  const view = new DataView(head.buffer);
  head[0] = 0x80 | opcode;
  head[1] = (mask === undefined ? 0 : 0x80) | (lengthBytes === 8 ? 127 : lengthBytes === 2 ? 126 : length);
  if (lengthBytes === 2) view.setUint16(2, length);
  if (lengthBytes === 8) view.setBigUint64(2, BigInt(length));
  if (mask !== undefined) head.set(mask, 2 + lengthBytes);
  return head;
}

/** `bytes` with the mask laid over, `offset` bytes into the frame: a copy, because the source may be shared. */
export function masked(bytes: Uint8Array, mask: Uint8Array, offset: number): Uint8Array {
  const out = new Uint8Array((bytes.length + 3) & ~3);
  out.set(bytes);
  const turned = new Uint8Array(4);
  for (let index = 0; index < 4; index++) turned[index] = mask[(offset + index) & 3] ?? 0;
  const word = new Uint32Array(turned.buffer)[0] ?? 0;
  const words = new Uint32Array(out.buffer);
  for (let index = 0; index < words.length; index++) words[index] = (words[index] ?? 0) ^ word;
  return out.subarray(0, bytes.length);
}

/** A close frame's payload; `reason` is cut to what fits. */
export function encodeClose(code: number, reason: string): Uint8Array {
  const text = new TextEncoder().encodeInto(reason, new Uint8Array(controlPayloadMax - 2));
  const payload = new Uint8Array(2 + text.written);
  new DataView(payload.buffer).setUint16(0, code);
  new TextEncoder().encodeInto(reason, payload.subarray(2));
  return payload;
}

/** 1005 when the peer gave none (RFC 6455 section 7.1.5). */
export function decodeClose(payload: Uint8Array): { readonly code: number; readonly reason: string } {
  if (payload.length === 0) return { code: 1005, reason: '' };
  const code = payload.length < 2 ? 0 : ((payload[0] ?? 0) << 8) | (payload[1] ?? 0);
  const allowed =
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) || (code >= 3000 && code <= 4999);
  if (!allowed) throw violation(`close code ${code}`);
  try {
    return { code, reason: new TextDecoder('utf-8', { fatal: true }).decode(payload.subarray(2)) };
  } catch (cause) {
    throw httpErrors.error('UnexpectedProtocol', 'WebSocket: a close reason is not UTF-8', { cause });
  }
}

function readLength(bytes: Uint8Array, lengthBytes: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (lengthBytes === 2) return view.getUint16(2);
  return Number(view.getBigUint64(2));
}

/** A zero mask changes nothing, so that payloads pass without a copy. */
function effectiveMask(mask: Uint8Array): Uint8Array | undefined {
  return mask.every((byte) => byte === 0) ? undefined : Uint8Array.from(mask);
}

function tooLarge(what: string, limit: number): Error {
  return httpErrors.error('BodyTooLarge', `a WebSocket ${what} is larger than ${limit} bytes`);
}

function violation(what: string): Error {
  return httpErrors.error('UnexpectedProtocol', `WebSocket: ${what}`);
}
