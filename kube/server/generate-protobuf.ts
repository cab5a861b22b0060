/**
 * Writes the field numbers of Kubernetes' protobuf messages, by hand when a new minor is supported:
 *
 *   node kube/server/generate-protobuf.ts <folder of module sources> v0.37.2 1.37
 *
 * Reads `generated.proto` of k8s.io/api, apimachinery and apiextensions-apiserver. Typed Go clients (kubectl's too) send
 * protobuf bodies and take JSON answers, so the server has to read, and never to write, protobuf.
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [root = '', version = '', minor = ''] = process.argv.slice(2);

/** Field number, JSON name, type; `r` for repeated. Maps are `map:<key>:<value>`. */
type Field = [number, string, string] | [number, string, string, 'r'];

const messages: Record<string, Field[]> = {};
const fieldPattern = /^\s*(optional|repeated|required)?\s*(map<(\w+),\s*([.\w]+)>|[.\w]+)\s+(\w+)\s*=\s*(\d+);/;

function typeName(text: string, place: string): string {
  if (text.startsWith('.')) return text.slice(1);
  return /^(string|bytes|bool|int32|int64|uint32|uint64|double|float)$/.test(text) ? text : `${place}.${text}`;
}

for (const module of ['api', 'apimachinery', 'apiextensions-apiserver']) {
  for (const file of globSync(join(root, `${module}@${version}`, '**/generated.proto'))) {
    const text = readFileSync(file, 'utf8');
    const place = /^package ([\w.]+);/m.exec(text)?.[1] ?? '';
    let message: string | undefined;
    for (const line of text.split('\n')) {
      const head = /^message (\w+) \{/.exec(line);
      if (head !== null) {
        message = `${place}.${head[1]}`;
        messages[message] = [];
      } else if (line === '}') message = undefined;
      const match = fieldPattern.exec(line);
      if (message === undefined || match === null) continue;
      const [, label, whole = '', key, value, name = '', number] = match;
      const type = key === undefined ? typeName(whole, place) : `map:${key}:${typeName(value ?? '', place)}`;
      messages[message]?.push(label === 'repeated' ? [Number(number), name, type, 'r'] : [Number(number), name, type]);
    }
  }
}

const kinds = JSON.parse(readFileSync(join(import.meta.dirname, `../kinds/kubernetes/${minor}.json`), 'utf8')) as {
  kinds: {
    openApiName: string;
    subresources: { group: string; version: string; kind: string }[];
    group: string;
    version: string;
  }[];
};
const messageOf = (openApiName: string): string =>
  openApiName
    .replace('io.k8s.api.', 'k8s.io.api.')
    .replace('io.k8s.apiextensions-apiserver', 'k8s.io.apiextensions_apiserver')
    .replace('io.k8s.apimachinery', 'k8s.io.apimachinery');
const wanted = [
  'k8s.io.apimachinery.pkg.apis.meta.v1.DeleteOptions',
  'k8s.io.api.policy.v1.Eviction',
  'k8s.io.api.authentication.v1.TokenRequest',
  'k8s.io.api.autoscaling.v1.Scale',
  ...kinds.kinds.map((kind) => messageOf(kind.openApiName)),
];
const kept: Record<string, Field[]> = {};
for (let name = wanted.pop(); name !== undefined; name = wanted.pop()) {
  const fields = messages[name];
  if (fields === undefined || kept[name] !== undefined) continue;
  kept[name] = fields;
  for (const [, , type] of fields) wanted.push(type.split(':').at(-1) ?? '');
}
const lines = Object.entries(kept)
  .toSorted(([a], [b]) => (a < b ? -1 : 1))
  .map(([name, fields]) => `${JSON.stringify(name)}:${JSON.stringify(fields)}`);
writeFileSync(join(import.meta.dirname, `protobuf/${minor}.json`), `{\n${lines.join(',\n')}\n}\n`);
