/** GET of a collection: stored bytes joined, at one revision, in pages. */
import type { ServerResponse } from '@polyanthus/ground-http/message';
import { forbiddenValue, notSupported } from '@polyanthus/kube-objects/field-errors';
import { encodeJson } from '@polyanthus/kube-objects/exact-json';
import type { JsonObject } from '@polyanthus/kube-objects/meta';
import { apiVersionOf } from '@polyanthus/kube-objects/resource';
import { statusError, type StatusCause } from '@polyanthus/kube-objects/status';
import { rawJson } from '../answers.ts';
import { readToken, writeToken } from '../continue-token.ts';
import { bytesFor, readStored } from '../encode.ts';
import { invalidOptions } from '../invalid.ts';
import { negotiate } from '../negotiation.ts';
import { expired, parseRevision, requireKnownRevision } from '../revisions.ts';
import { scopePrefix, type Scope } from '../scope.ts';
import { selectionOf, type Selection } from '../selection.ts';
import type { RangeResult } from '../store/store.ts';
import { includeObject, partialOf, tableOf } from '../table.ts';

/** A continue token keeps its revision readable for this long. */
const pinMs = 5 * 60_000;

/** One page of a collection. */
export interface Page {
  readonly result: RangeResult;
  readonly metadata: JsonObject;
}

export function listVerb(scope: Scope): ServerResponse {
  const form = negotiate(scope.request);
  const { result, metadata } = readPage(scope);
  const { definition } = scope;
  if (form.kind === 'object') return rawJson(200, listBytes(scope, { result, metadata }));
  const objects = result.objects.map((stored) => readStored(stored, definition));
  const value: JsonObject =
    form.kind === 'partial'
      ? {
          kind: 'PartialObjectMetadataList',
          apiVersion: `meta.k8s.io/${form.version}`,
          metadata,
          items: objects.map((object) => partialOf(object, form.version)),
        }
      : tableOf(objects, metadata, {
          definition,
          version: form.version,
          include: includeObject(scope.query),
          nowMs: scope.ctx.clock.now(),
          columns: true,
        });
  return rawJson(200, encodeJson(value));
}

const comma = Buffer.from(',');
const open = Buffer.from('{');

function listBytes(scope: Scope, { result, metadata }: Page): Uint8Array {
  const { definition } = scope;
  const head = JSON.stringify({ kind: definition.listKind, apiVersion: apiVersionOf(definition.type), metadata });
  const pieces: Uint8Array[] = [Buffer.from(`${head.slice(0, -1)},"items":[`)];
  // Items of built-in lists do not repeat their kind: their bytes begin with it (encode.ts), so a cut is enough.
  const repeated = Buffer.from(`"kind":"${definition.type.kind}","apiVersion":"${apiVersionOf(definition.type)}",`);
  result.objects.forEach((stored, index) => {
    if (index > 0) pieces.push(comma);
    const bytes = bytesFor(stored, definition);
    const cut = !definition.custom && Buffer.compare(bytes.subarray(1, 1 + repeated.length), repeated) === 0;
    if (cut) pieces.push(open, bytes.subarray(1 + repeated.length));
    else pieces.push(bytes);
  });
  pieces.push(Buffer.from(']}'));
  return Buffer.concat(pieces);
}

/** Reads the page that the request asks for. */
export function readPage(scope: Scope): Page {
  const { query, cluster } = scope;
  const selection = selectionOf(scope);
  const limit = parseLimit(query.get('limit'));
  const token = query.get('continue') ?? '';
  const match = query.get('resourceVersionMatch') ?? '';
  const version = query.get('resourceVersion') ?? '';
  checkMatch(match, version, token);
  const result = token === '' ? firstPage(scope, selection, limit, match) : nextPage(scope, selection, limit, token);
  const metadata: Record<string, string | number> = {
    ...(scope.definition.custom ? { continue: '' } : {}),
    resourceVersion: String(result.revision),
  };
  if (result.next !== undefined) {
    const prefix = scopePrefix(scope);
    cluster.store.pin(result.revision, pinMs);
    metadata['continue'] = writeToken(result.revision, result.next.slice(prefix.length));
    if (selection.everything) metadata['remainingItemCount'] = result.remaining;
  }
  return { result, metadata };
}

function firstPage(scope: Scope, selection: Selection, limit: number | undefined, match: string): RangeResult {
  const { store } = scope.cluster;
  const revision = requireKnownRevision(store, scope.query.get('resourceVersion') ?? '');
  const exact = match === 'Exact' && revision !== undefined;
  return range(scope, selection, {
    ...(limit === undefined ? {} : { limit }),
    ...(exact ? { revision } : {}),
  });
}

function nextPage(scope: Scope, selection: Selection, limit: number | undefined, token: string): RangeResult {
  const { revision, start } = readToken(token, scope.cluster.store.revision);
  const from = scopePrefix(scope) + start;
  const options = { from, ...(limit === undefined ? {} : { limit }) };
  if (revision < 0) return range(scope, selection, options);
  try {
    return range(scope, selection, { ...options, revision });
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'Expired') throw error;
    throw expired(staleToken, writeToken(-1, start));
  }
}

const staleToken =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without ' +
  'the continue parameter, or use the continue token in this response to retrieve the remainder of the results. ' +
  'Continuing with the provided token results in an inconsistent list - objects that were created, modified, or ' +
  'deleted between the time the first chunk was returned and now may show up in the list.';

function range(
  scope: Scope,
  selection: Selection,
  options: { readonly from?: string; readonly limit?: number; readonly revision?: number },
): RangeResult {
  const filter = selection.everything ? {} : { filter: (object: { index: object }) => selection.matches(object.index) };
  try {
    return scope.cluster.store.range(scopePrefix(scope), { ...options, ...filter });
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'Compacted') throw error;
    throw expired(
      `The provided resource version is too old: ${options.revision ?? 0} (${scope.cluster.store.compactedRevision})`,
    );
  }
}

function parseLimit(text: string | null): number | undefined {
  if (text === null || text === '' || text === '0') return undefined;
  if (!/^\d+$/.test(text))
    throw statusError('BadRequest', `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
}

function checkMatch(match: string, version: string, token: string): void {
  if (match === '') {
    if (token !== '' && version !== '' && version !== '0')
      throw statusError('BadRequest', 'specifying resource version is not allowed when using continue');
    return;
  }
  const refuse = (cause: StatusCause): Error => invalidOptions('ListOptions', cause);
  const at = 'resourceVersionMatch';
  if (token !== '') throw refuse(forbiddenValue(at, 'resourceVersionMatch is forbidden when continue is provided'));
  if (version === '')
    throw refuse(forbiddenValue(at, 'resourceVersionMatch is forbidden unless resourceVersion is provided'));
  if (match !== 'Exact' && match !== 'NotOlderThan')
    throw refuse(notSupported(at, match, ['Exact', 'NotOlderThan', '']));
  if (match === 'Exact' && parseRevision(version) === 0)
    throw refuse(forbiddenValue(at, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
}
