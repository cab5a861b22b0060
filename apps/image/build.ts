/** `node apps/image/build.ts --output FOLDER`: writes the image as an OCI layout. `--refresh-lock` updates its packages. */
import { writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { background } from '@polyanthus/ground-base/context';
import { buildImage, imageName } from './src/build-image.ts';
import { resolveLock } from './src/packages.ts';

const { values } = parseArgs({
  options: {
    output: { type: 'string' },
    name: { type: 'string', default: imageName },
    compression: { type: 'string', default: 'gzip' },
    'refresh-lock': { type: 'boolean', default: false },
  },
});
const ctx = background();

if (values['refresh-lock']) {
  const lock = await resolveLock(ctx);
  await writeFile(join(import.meta.dirname, 'packages.lock.json'), `${JSON.stringify(lock, undefined, 2)}\n`);
  for (const one of lock.packages) process.stdout.write(`${one.name} ${one.version}\n`);
} else if (values.output === undefined || !['gzip', 'none'].includes(values.compression)) {
  process.stderr.write('usage: build.ts --output FOLDER [--name IMAGE] [--compression gzip|none] | --refresh-lock\n');
  process.exitCode = 2;
} else {
  const { digest, bytes } = await buildImage(ctx, {
    output: values.output,
    name: values.name,
    compression: values.compression === 'none' ? 'none' : 'gzip',
    cacheFolder: join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'polyanthus-image'),
  });
  process.stdout.write(`${values.name}@${digest} ${bytes} bytes in ${values.output}\n`);
}
