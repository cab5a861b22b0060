/** The requests under way, each with the rights that let it in, so that a right that is taken away ends them. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Attributes, Decision } from '@polyanthus/kube-access/user';
import { statusError } from '@polyanthus/kube-objects/status';

/** One request under way. */
export interface Exchange {
  readonly rights: readonly Attributes[];
  /** Whether the membership is still there and its ceiling still lets this through. */
  readonly stands: () => boolean;
  /** Ends the request in the middle of its answer. */
  readonly close: (reason: Error) => void;
}

/** All of this replica. */
export class Exchanges {
  readonly #open = new Set<Exchange>();

  get size(): number {
    return this.#open.size;
  }

  add(exchange: Exchange): () => void {
    this.#open.add(exchange);
    return () => void this.#open.delete(exchange);
  }

  /** Asks again for every open request and closes those that would be refused now; a question that fails closes too. Gives how many. */
  async closeNoLongerAllowed(
    ctx: Context,
    authorize: (ctx: Context, right: Attributes) => Promise<Decision>,
  ): Promise<number> {
    const answers = new Map<string, Promise<boolean>>();
    const allowed = (right: Attributes): Promise<boolean> => {
      const key = JSON.stringify(right);
      const known =
        answers.get(key) ??
        authorize(ctx, right).then(
          (decision) => decision.allowed,
          () => false,
        );
      answers.set(key, known);
      return known;
    };
    let closed = 0;
    for (const exchange of this.#open) {
      const answered = await Promise.all(exchange.rights.map(allowed));
      if (exchange.stands() && !answered.includes(false)) continue;
      closed++;
      this.#open.delete(exchange);
      exchange.close(statusError('Forbidden', 'the right to this request was taken away while it was under way'));
    }
    return closed;
  }
}
