/** The wire format of protobuf: fields one after another. */

export interface WireField {
  readonly field: number;
  /** Varints as bigint; texts, bytes, messages and fixed numbers as their bytes. */
  readonly value: Uint8Array | bigint;
}

/** Reads fields. Throws RangeError for bytes that are cut off or of an unknown wire type. */
export class WireReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get more(): boolean {
    return this.#at < this.#bytes.length;
  }

  next(): WireField {
    const tag = Number(this.#varint());
    const field = tag >>> 3;
    switch (tag & 7) {
      case 0:
        return { field, value: this.#varint() };
      case 1:
        return { field, value: this.#take(8) };
      case 2:
        return { field, value: this.#take(Number(this.#varint())) };
      case 5:
        return { field, value: this.#take(4) };
      default:
        throw new RangeError(`wire type ${tag & 7} of field ${field}`);
    }
  }

  #varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new RangeError('cut off in a number');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw new RangeError('a number is too long');
  }

  #take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new RangeError('cut off in a field');
    const part = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return part;
  }
}
