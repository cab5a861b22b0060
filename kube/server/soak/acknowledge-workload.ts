/** One writer after the other on the whole store; says `ack` once each write is acknowledged. For strace. */
import { writeSync } from 'node:fs';
import { argv } from 'node:process';
import { background } from '@polyanthus/ground-base/context';
import { openSqliteStore } from '../src/store/sqlite.ts';

const writes = 60;
const ctx = background();
const store = await openSqliteStore(ctx, { directory: argv[2] ?? '', clock: ctx.clock });
for (let index = 1; index <= writes; index++) {
  const key = `c/g/r/n/key${index % 10}`;
  const expected = store.get(key)?.revision ?? 0;
  const result = await store.write(ctx, {
    kind: 'put',
    key,
    expected,
    index: {},
    encode: (revision) => Buffer.from(`${revision} `.repeat(200)),
  });
  if (result.ok) writeSync(1, `ack ${result.revision} ${key} 0\n`);
}
await store.close();
