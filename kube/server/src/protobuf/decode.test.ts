import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeProtobuf } from './decode.ts';

const field = (number: number, bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
const text = (number: number, value: string): Buffer => field(number, Buffer.from(value));
const unknown = (apiVersion: string, kind: string, raw: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from('k8s\0'), field(1, Buffer.concat([text(1, apiVersion), text(2, kind)])), field(2, raw)]);

test('the body that kubectl auth whoami sends is read', async () => {
  // Captured from kubectl 1.37.2.
  const hex =
    '6b3873000a2d0a1861757468656e7469636174696f6e2e6b38732e696f2f7631121153656c665375626a656374526576696577121a0a100a0012001a0022002a00320038004200120 60a040a0012001a002200'.replaceAll(
      ' ',
      '',
    );
  expect(await decodeProtobuf(Buffer.from(hex, 'hex'))).toMatchObject({
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'SelfSubjectReview',
  });
});

test('maps, lists, times and quantities become JSON', async () => {
  const entry = (key: string, value: Uint8Array): Buffer => Buffer.concat([text(1, key), field(2, value)]);
  const limits = field(1, entry('cpu', text(1, '500m')));
  const container = Buffer.concat([text(1, 'c'), text(2, 'nginx'), field(8, limits)]);
  const time = Buffer.from([0x08, 0x80, 0xde, 0xda, 0xd3, 0x06]);
  const metadata = Buffer.concat([text(1, 'p'), field(8, time), field(11, entry('a', Buffer.from('b')))]);
  const pod = Buffer.concat([field(1, metadata), field(2, field(2, container))]);
  expect(await decodeProtobuf(unknown('v1', 'Pod', pod))).toMatchObject({
    metadata: { name: 'p', labels: { a: 'b' }, creationTimestamp: expect.stringMatching(/^20\d\d-.*Z$/) as string },
    spec: { containers: [{ name: 'c', image: 'nginx', resources: { limits: { cpu: '500m' } } }] },
  });
});

test('unknown kinds and bytes that are cut off are BadRequest', async () => {
  await expect(decodeProtobuf(Buffer.from('{}  '))).rejects.toMatchObject({ code: 'BadRequest' });
  await expect(decodeProtobuf(unknown('v9', 'Nothing', Buffer.alloc(0)))).rejects.toMatchObject({ code: 'BadRequest' });
  await expect(decodeProtobuf(unknown('v1', 'Pod', Buffer.from([0x0a, 0x7f])))).rejects.toMatchObject({
    code: 'BadRequest',
  });
});

test('no bytes make it throw anything else, or hang', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (raw) => {
      const outcome = await decodeProtobuf(unknown('v1', 'Pod', raw.subarray(0, 120))).catch((error: unknown) => error);
      expect(outcome instanceof Error ? (outcome as Error & { code?: string }).code : 'BadRequest').toBe('BadRequest');
    }),
    { interruptAfterTimeLimit: 2_000, numRuns: 300 },
  );
});
