/** What form of an answer the client accepts: the object, a Table, or its metadata alone. */
import { headerAll } from '@polyanthus/ground-http/headers';
import type { ServerRequest } from '@polyanthus/ground-http/message';
import { statusError } from '@polyanthus/kube-objects/status';

/** `version` is that of meta.k8s.io. */
export type Form =
  | { readonly kind: 'object' }
  | { readonly kind: 'table'; readonly version: 'v1' | 'v1beta1' }
  | { readonly kind: 'partial'; readonly version: 'v1' | 'v1beta1' };

interface MediaRange {
  readonly type: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly quality: number;
}

/** The media ranges of an Accept header, best first. */
export function acceptedRanges(request: Pick<ServerRequest, 'headers'>): readonly MediaRange[] {
  const text = headerAll(request.headers, 'accept').join(',');
  const ranges = text.split(',').flatMap((part): MediaRange[] => {
    const [type = '', ...rest] = part.split(';').map((one) => one.trim());
    if (type === '') return [];
    const parameters: Record<string, string> = {};
    for (const one of rest) {
      const at = one.indexOf('=');
      if (at > 0) parameters[one.slice(0, at).trim().toLowerCase()] = one.slice(at + 1).trim();
    }
    const quality = Number(parameters['q'] ?? '1');
    return [{ type: type.toLowerCase(), parameters, quality: Number.isNaN(quality) ? 1 : quality }];
  });
  return ranges.toSorted((a, b) => b.quality - a.quality);
}

const isJson = (type: string): boolean => type === 'application/json' || type === 'application/*' || type === '*/*';

/** Picks the first form that this server can give. Throws NotAcceptable when there is none. */
export function negotiate(request: Pick<ServerRequest, 'headers'>, transforms = true): Form {
  const ranges = acceptedRanges(request);
  if (ranges.length === 0) return { kind: 'object' };
  for (const { type, parameters } of ranges) {
    if (!isJson(type)) continue;
    const as = parameters['as'];
    if (as === undefined) return { kind: 'object' };
    const version = parameters['v'];
    if (!transforms || parameters['g'] !== 'meta.k8s.io' || (version !== 'v1' && version !== 'v1beta1')) continue;
    if (as === 'Table') return { kind: 'table', version };
    if (as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList') return { kind: 'partial', version };
  }
  throw statusError('NotAcceptable', 'only the following media types are accepted: application/json');
}
