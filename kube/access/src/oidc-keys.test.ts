import { background, withCancel } from '@polyanthus/ground-base/context';
import { createVirtualClock } from '@polyanthus/ground-testing/virtual-clock';
import { describe, expect, it } from 'vitest';
import { createIssuerKeys } from './oidc-keys.ts';

const issuer = 'https://id.example.org';

/** An issuer that answers when told to: `answer` is its key set, or an error to throw. */
function fixture() {
  const clock = createVirtualClock();
  const state = { answer: { keys: [{ kid: '1' }] } as unknown, fetches: 0, wait: Promise.resolve() };
  const keys = createIssuerKeys({
    issuer,
    fetchJson: async (_ctx, url) => {
      if (url.endsWith('/openid-configuration')) return { issuer, jwks_uri: `${issuer}/keys` };
      state.fetches++;
      await state.wait;
      if (state.answer instanceof Error) throw state.answer;
      return state.answer;
    },
  });
  return { clock, ctx: background({ clock }), state, keys };
}

describe('the keys of an issuer', () => {
  it('are fetched once for all who wait, whoever of them gives up', async () => {
    const { ctx, state, keys } = fixture();
    let open = (): void => undefined;
    state.wait = new Promise((resolve) => (open = resolve));
    const first = withCancel(ctx);
    const all = [keys.current(first.ctx), keys.current(ctx), keys.current(ctx)];
    const outcomes = Promise.allSettled(all);
    first.cancel();
    await expect(all[0]).rejects.toMatchObject({ code: 'Cancelled' });
    open();
    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect(state.fetches).toBe(1);
  });

  it('are fetched again after an hour, so that a withdrawn key ends', async () => {
    const { clock, ctx, state, keys } = fixture();
    await keys.current(ctx);
    state.answer = { keys: [{ kid: '2' }] };
    await clock.advance(3_599_999);
    expect(await keys.current(ctx)).toEqual({ keys: [{ kid: '1' }] });
    await clock.advance(1);
    expect(await keys.current(ctx)).toEqual({ keys: [{ kid: '2' }] });
  });

  it('are looked for at most once a minute when a token names another', async () => {
    const { clock, ctx, state, keys } = fixture();
    const known = await keys.current(ctx);
    expect(await keys.newerThan(ctx, known)).toBe(known);
    expect(state.fetches).toBe(1);
    await clock.advance(60_000);
    state.answer = { keys: [{ kid: '2' }] };
    const [one, two] = await Promise.all([keys.newerThan(ctx, known), keys.newerThan(ctx, known)]);
    expect(one).not.toBe(known);
    expect(two).toBe(one);
    expect(await keys.newerThan(ctx, known)).toBe(one);
    expect(state.fetches).toBe(2);
  });

  it('come a second after a failed fetch, and old ones serve for a day', async () => {
    const { clock, ctx, state, keys } = fixture();
    const good = state.answer;
    state.answer = new Error('away');
    await expect(keys.current(ctx)).rejects.toThrow(/could not be fetched/);
    await expect(keys.current(ctx)).rejects.toThrow(/could not be fetched/);
    expect(state.fetches).toBe(1);
    await clock.advance(1_000);
    state.answer = good;
    expect(await keys.current(ctx)).toBe(good);
    state.answer = new Error('away');
    await clock.advance(23 * 3_600_000);
    expect(await keys.current(ctx)).toBe(good);
    await clock.advance(3_600_000);
    await expect(keys.current(ctx)).rejects.toThrow(/could not be fetched/);
  });

  it('end a fetch that takes longer than ten seconds', async () => {
    const { clock, ctx, state, keys } = fixture();
    state.wait = new Promise(() => undefined);
    const outcome = keys.current(ctx).catch((error: unknown) => error);
    await clock.advance(10_000);
    expect(await outcome).toMatchObject({ cause: { code: 'DeadlineExceeded' } });
  });

  it('are nothing but a key set', async () => {
    for (const answer of [
      null,
      1,
      'keys',
      [],
      {},
      { keys: {} },
      { keys: [1] },
      { keys: Array.from({ length: 101 }, () => ({})) },
    ]) {
      const { ctx, state, keys } = fixture();
      state.answer = answer;
      await expect(keys.current(ctx)).rejects.toMatchObject({
        cause: { message: expect.stringContaining('no key set') },
      });
    }
  });
});
