/** Pod addresses of one node, out of its IPv4 range. */
import { simErrors } from '../errors.ts';

/** Gives each pod uid one address; a released one is given again as late as possible. */
export class PodAddresses {
  readonly #cidr: string;
  readonly #base: number;
  readonly #size: number;
  readonly #taken = new Map<string, number>();
  readonly #used = new Set<number>();
  #next = 2;

  /** Throws SimulatedNodeInvalid when the range is no IPv4 range of at least four addresses. */
  constructor(cidr: string) {
    const match = /^(\d+)\.(\d+)\.(\d+)\.(\d+)\/(\d+)$/.exec(cidr);
    const parts = (match ?? []).slice(1).map(Number);
    const bits = parts[4] ?? 33;
    if (match === null || bits > 30 || bits < 8 || parts.slice(0, 4).some((part) => part > 255)) {
      throw simErrors.error('SimulatedNodeInvalid', `podCidr "${cidr}" is no IPv4 range between /8 and /30`);
    }
    this.#cidr = cidr;
    this.#size = 2 ** (32 - bits);
    const address = parts.slice(0, 4).reduce((sum, part) => sum * 256 + part, 0);
    this.#base = address - (address % this.#size);
  }

  /** The pod's address; the same one each time. `known` is the one that its status has already. Throws PodAddressesExhausted. */
  take(uid: string, known?: string): string {
    const offset = this.#taken.get(uid) ?? this.#claim(known) ?? this.#free();
    this.#taken.set(uid, offset);
    this.#used.add(offset);
    return this.#text(offset);
  }

  release(uid: string): void {
    const offset = this.#taken.get(uid);
    if (offset === undefined) return;
    this.#taken.delete(uid);
    this.#used.delete(offset);
  }

  #claim(known: string | undefined): number | undefined {
    if (known === undefined) return undefined;
    const offset = known.split('.').reduce((sum, part) => sum * 256 + Number(part), 0) - this.#base;
    return offset > 1 && offset < this.#size - 1 && !this.#used.has(offset) ? offset : undefined;
  }

  /** The next one round the range, so that an address is not given again at once (0 network, 1 gateway, last broadcast). */
  #free(): number {
    const usable = this.#size - 3;
    for (let tried = 0; tried < usable; tried++) {
      const offset = this.#next;
      this.#next = offset + 1 >= this.#size - 1 ? 2 : offset + 1;
      if (!this.#used.has(offset)) return offset;
    }
    throw simErrors.error('PodAddressesExhausted', `all ${usable} addresses of ${this.#cidr} are taken`);
  }

  #text(offset: number): string {
    const value = this.#base + offset;
    return [value / 2 ** 24, value / 2 ** 16, value / 2 ** 8, value].map((part) => Math.floor(part) % 256).join('.');
  }
}
