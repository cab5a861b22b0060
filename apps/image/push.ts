/** `node apps/image/push.ts --layout FOLDER --to REGISTRY/REPOSITORY:TAG`: sends an image that `build.ts` wrote. */
import { readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { background } from '@polyanthus/ground-base/context';
import { CodedError } from '@polyanthus/ground-base/errors';
import { createTransport } from '@polyanthus/ground-http/node-client';
import type { Transport } from '@polyanthus/ground-http/message';
import { proxyEnvironment } from '@polyanthus/ground-http/proxy';
import { credentialsIn } from '@polyanthus/ground-oci/credentials';
import { pushImage } from '@polyanthus/ground-oci/push';
import { parseReference } from '@polyanthus/ground-oci/reference';
import { Repository } from '@polyanthus/ground-oci/registry';
import { imageName } from './src/build-image.ts';

const usage = `usage: push.ts --layout FOLDER --to REGISTRY/REPOSITORY:TAG [--name IMAGE] [--auth-file FILE] [--ca-file FILE] [--plain-http]
  --name IMAGE       name in the layout (default ${imageName})
  --auth-file FILE   as docker, podman and skopeo login write it
  --ca-file FILE     CA of the registry, PEM
  --plain-http       no TLS: for registries on this machine
`;

const { values } = parseArgs({
  options: {
    layout: { type: 'string' },
    to: { type: 'string' },
    name: { type: 'string', default: imageName },
    'auth-file': { type: 'string' },
    'ca-file': { type: 'string' },
    'plain-http': { type: 'boolean', default: false },
  },
});

async function push(layout: string, to: string): Promise<void> {
  const { host, repository, tag } = parseReference(to);
  const caFile = values['ca-file'];
  const authFile = values['auth-file'];
  const tls = caFile === undefined ? {} : { ca: await readFile(caFile, 'utf8') };
  const transports = new Map<string, Transport>();
  const transportTo = (baseUrl: string): Transport => {
    const known =
      transports.get(baseUrl) ?? createTransport({ baseUrl, tls, proxyEnvironment: proxyEnvironment(process.env) });
    transports.set(baseUrl, known);
    return known;
  };
  const credentials = authFile === undefined ? undefined : credentialsIn(await readFile(authFile, 'utf8'), host);
  const origin = `${values['plain-http'] ? 'http' : 'https'}://${host}`;
  const onBlob = (digest: string, bytes: number, what: string): void =>
    void process.stderr.write(`${digest.slice(0, 19)} ${(bytes / 1e6).toFixed(1)} MB ${what}\n`);
  const target = new Repository({ origin, repository, credentials, transportTo });
  try {
    const digest = await pushImage(background(), target, { layout, name: values.name, tag, onBlob });
    process.stdout.write(`${host}/${repository}:${tag}@${digest}\n`);
  } finally {
    for (const one of transports.values()) await one.close();
  }
}

if (values.layout === undefined || values.to === undefined) {
  process.stderr.write(usage);
  process.exitCode = 2;
} else {
  try {
    await push(values.layout, values.to);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    process.stderr.write(`error: ${error.message}\nnext: ${error.next} (${error.code})\n`);
    process.exitCode = 1;
  }
}
