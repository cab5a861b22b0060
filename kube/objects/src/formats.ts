/** String formats that CRD schemas may demand (apiextensions validation/formats.go; kube-openapi strfmt). Others are ignored. */

const octet = '(?:25[0-5]|2[0-4]\\d|1?\\d?\\d)';
const ipv4 = new RegExp(`^${octet}(?:\\.${octet}){3}$`);

/** RFC 4291 text: eight groups, or fewer around one `::`; the last two may be an IPv4 address. */
function isIpv6(text: string): boolean {
  const [address = ''] = text.split('%');
  const dotted = /^(?<head>.*:)(?<tail>\d+\.\d+\.\d+\.\d+)$/.exec(address)?.groups;
  if (dotted !== undefined && !ipv4.test(dotted['tail'] ?? '')) return false;
  const plain = dotted === undefined ? address : `${dotted['head']}0:0`;
  const halves = plain.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  if (!groups.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return false;
  return halves.length === 2 ? groups.length < 8 : groups.length === 8;
}

function isCidr(text: string): boolean {
  const found = /^(?<address>[^/]+)\/(?<bits>\d{1,3})$/.exec(text)?.groups;
  if (found === undefined) return false;
  const address = found['address'] ?? '';
  const bits = Number(found['bits']);
  return (ipv4.test(address) && bits <= 32) || (isIpv6(address) && bits <= 128);
}

function isDate(text: string): boolean {
  const found = /^(?<year>\d{4})-(?<month>\d{2})-(?<day>\d{2})$/.exec(text)?.groups;
  if (found === undefined) return false;
  const [year, month, day] = [Number(found['year']), Number(found['month']), Number(found['day'])];
  return month >= 1 && month <= 12 && day >= 1 && day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}

function isDateTime(text: string): boolean {
  const found =
    /^(?<date>[^Tt]+)[Tt](?<hour>\d{2}):(?<minute>\d{2}):(?<second>\d{2})(?:\.\d+)?(?:[Zz]|[+-]\d{2}:?\d{2})$/.exec(
      text,
    )?.groups;
  if (found === undefined) return false;
  return (
    isDate(found['date'] ?? '') &&
    Number(found['hour']) < 24 &&
    Number(found['minute']) < 60 &&
    Number(found['second']) < 61
  );
}

const uuid = (version: string, variant: string): RegExp =>
  new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?${variant}[0-9a-f]{3}-?[0-9a-f]{12}$`, 'i');
const any = '[0-9a-f]';

const goDuration = /^[-+]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;
const scalaDuration =
  /^\s*\d+\s*(?:ns|nanos?|nanoseconds?|us|µs|micros?|microseconds?|ms|millis?|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?)\s*$/;

const label = '[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?';

function isUri(text: string): boolean {
  return text.startsWith('/') || /^[a-zA-Z][-+.a-zA-Z0-9]*:\S+$/.test(text);
}

const checks: Readonly<Record<string, (text: string) => boolean>> = {
  uri: isUri,
  email: (text) => /^[^\s@<>]+@[^\s@<>]+$/.test(text) || /^[^<>]*<[^\s@<>]+@[^\s@<>]+>$/.test(text),
  hostname: (text) => text.length <= 253 && new RegExp(`^${label}(?:\\.${label})*\\.?$`).test(text),
  ipv4: (text) => ipv4.test(text),
  ipv6: isIpv6,
  cidr: isCidr,
  mac: (text) => /^[0-9a-fA-F]{2}(?:([:-])[0-9a-fA-F]{2}){5}(?:\1[0-9a-fA-F]{2}){0,2}$/.test(text),
  uuid: (text) => uuid(any, any).test(text),
  uuid3: (text) => uuid('3', any).test(text),
  uuid4: (text) => uuid('4', '[89ab]').test(text),
  uuid5: (text) => uuid('5', '[89ab]').test(text),
  bsonobjectid: (text) => /^[0-9a-fA-F]{24}$/.test(text),
  hexcolor: (text) => /^#?(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})$/.test(text),
  ssn: (text) => /^\d{3}[- ]?\d{2}[- ]?\d{4}$/.test(text),
  byte: (text) => text.length % 4 === 0 && /^[-_+/A-Za-z0-9]*={0,2}$/.test(text),
  date: isDate,
  datetime: isDateTime,
  duration: (text) => goDuration.test(text) || scalaDuration.test(text),
  'k8s-short-name': (text) => text.length <= 63 && /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?$/.test(text),
  'k8s-long-name': (text) =>
    text.length <= 253 && /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/.test(text),
};

/** Whether a text has a format; formats that nobody knows are ignored. `date-time` and `datetime` are one. */
export function hasFormat(format: string, text: string): boolean {
  const name = format === 'date-time' ? 'datetime' : format;
  const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
  return check === undefined || check(text);
}
