/** An nginx in front of a hub: at L4 it passes bytes, at L7 it ends TLS and passes requests and upgrades. */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemRandom } from '@polyanthus/ground-base/random';
import { createAuthority } from '@polyanthus/ground-pki/authority';
import { generateKey } from '@polyanthus/ground-pki/keys';
import { freePorts } from '../../../../lab/src/control-plane.ts';
import { soonMs, until, type TestFleet } from './fixture.ts';
import { start } from './processes.ts';

const program = '/usr/sbin/nginx';
const streamModule = '/usr/lib/nginx/modules/ngx_stream_module.so';

/** Why there is no nginx to test with, if so. */
export const whyNoNginx = [program, streamModule].every((path) => existsSync(path))
  ? undefined
  : 'not installed: nginx-light and libnginx-mod-stream';

/** A running nginx. */
export interface Nginx {
  readonly l4Url: string;
  readonly l7Url: string;
  /** Of the CA that signed the L7 listener's certificate. */
  readonly l7CaFile: string;
  stop(): Promise<unknown>;
}

/** Starts one in `fleet.folder`. */
export async function startNginx(fleet: TestFleet): Promise<Nginx> {
  const folder = join(fleet.folder, 'nginx');
  await mkdir(folder);
  const [l4 = 0, l7 = 0] = await freePorts(2);
  const nowMs = Date.now();
  const authority = await createAuthority({ commonName: 'ingress', nowMs, random: systemRandom });
  const key = await generateKey();
  const wanted = { names: ['localhost'], ips: ['127.0.0.1'], publicKeyPem: key.publicKeyPem, ttlMs: 3_600_000 };
  await writeFile(join(folder, 'tls.crt'), await authority.issueServer(nowMs, wanted));
  await writeFile(join(folder, 'tls.key'), key.privateKeyPem, { mode: 0o600 });
  const l7CaFile = join(folder, 'ca.pem');
  await writeFile(l7CaFile, authority.certificatePem);
  const configuration = join(folder, 'nginx.conf');
  await writeFile(configuration, configurationOf(folder, fleet.port, l4, l7));
  const running = start(program, ['-p', folder, '-c', configuration, '-e', join(folder, 'error.log')]);
  await until(
    soonMs,
    () => existsSync(join(folder, 'pid')),
    () => running.said(),
  );
  return { l4Url: `https://127.0.0.1:${l4}`, l7Url: `https://127.0.0.1:${l7}`, l7CaFile, stop: () => running.stop() };
}

const configurationOf = (folder: string, hub: number, l4: number, l7: number): string => `
daemon off;
user root;
worker_processes 1;
pid ${folder}/pid;
load_module ${streamModule};
events {}
stream {
  server {
    listen 127.0.0.1:${l4};
    proxy_pass 127.0.0.1:${hub};
  }
}
http {
  access_log off;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  map $http_upgrade $connection_upgrade {
    default upgrade;
    '' '';
  }
  server {
    listen 127.0.0.1:${l7} ssl;
    ssl_certificate ${folder}/tls.crt;
    ssl_certificate_key ${folder}/tls.key;
    ssl_protocols TLSv1.3;
    location / {
      proxy_pass https://127.0.0.1:${hub};
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_read_timeout 1h;
      proxy_buffering off;
      proxy_request_buffering off;
      client_max_body_size 0;
    }
  }
}
`;
