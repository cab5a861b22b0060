/** Syntax of names, as apimachinery's util/validation words it. Every function returns the faults; none means good. */

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const subdomain = `${label}(\\.${label})*`;
const labelPattern = new RegExp(`^${label}$`);
const subdomainPattern = new RegExp(`^${subdomain}$`);
const wildcardPattern = new RegExp(`^\\*\\.${subdomain}$`);
const label1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';
const label1035Pattern = new RegExp(`^${label1035}$`);
const qualified = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const qualifiedPattern = new RegExp(`^${qualified}$`);
const labelValuePattern = new RegExp(`^(${qualified})?$`);
const configMapKeyPattern = /^[-._a-zA-Z0-9]+$/;

const encoder = new TextEncoder();
const beyondAscii = /[^\0-\x7f]/;
const bytesOf = (text: string): number => (beyondAscii.test(text) ? encoder.encode(text).length : text.length);

/** `… (e.g. 'my-name',  or '123-abc', regex used for validation is '…')`, doubled blank included as in Go. */
function mismatch(message: string, pattern: string, ...examples: readonly string[]): string {
  const list = examples.map((example, index) => `${index === 0 ? '' : ' or '}'${example}', `).join('');
  return `${message} (e.g. ${list}regex used for validation is '${pattern}')`;
}

/** Go says "characters" for DNS names and "bytes" for labels; it counts bytes in both. */
function lengthFault(value: string, most: number, unit: 'bytes' | 'characters' = 'characters'): string[] {
  return value.length > most || bytesOf(value) > most ? [`must be no more than ${most} ${unit}`] : [];
}

/** RFC 1123 label: namespaces, container names. At most 63 bytes. */
export function dns1123Label(value: string): string[] {
  const faults = lengthFault(value, 63);
  if (labelPattern.test(value)) return faults;
  const text =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
  // Go says the length alone when the text would be a valid subdomain with dots.
  if (subdomainPattern.test(value)) return [...faults, 'must not contain dots'];
  return [...faults, mismatch(text, label, 'my-name', '123-abc')];
}

function subdomainFaults(value: string, unit: 'bytes' | 'characters'): string[] {
  const faults = lengthFault(value, 253, unit);
  if (subdomainPattern.test(value)) return faults;
  const text =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
  return [...faults, mismatch(text, subdomain, 'example.com')];
}

/** RFC 1123 subdomain: most object names. At most 253 bytes. */
export function dns1123Subdomain(value: string): string[] {
  return subdomainFaults(value, 'characters');
}

/** `*.example.com`. */
export function wildcardDns1123Subdomain(value: string): string[] {
  const faults = lengthFault(value, 253);
  if (wildcardPattern.test(value)) return faults;
  const text =
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
  return [...faults, mismatch(text, `\\*\\.${subdomain}`, '*.example.com')];
}

/** RFC 1035 label: Service names. At most 63 bytes. */
export function dns1035Label(value: string): string[] {
  const faults = lengthFault(value, 63);
  if (label1035Pattern.test(value)) return faults;
  const text =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
  return [...faults, mismatch(text, label1035, 'my-name', 'abc-123')];
}

const qualifiedMessage =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const qualifiedFault = mismatch(qualifiedMessage, qualified, 'MyName', 'my.name', '123-abc');

/** A label or annotation key: `[prefix/]name`. */
export function qualifiedName(value: string): string[] {
  const parts = value.split('/');
  if (parts.length > 2) {
    return [
      `a valid label key ${qualifiedFault} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  const faults: string[] = [];
  const name = parts.at(-1) ?? '';
  const prefix = parts.length === 2 ? (parts[0] ?? '') : undefined;
  if (prefix === '') faults.push('prefix part must be non-empty');
  else if (prefix !== undefined) {
    faults.push(...subdomainFaults(prefix, 'bytes').map((fault) => `prefix part ${fault}`));
  }
  if (name === '') faults.push('name part must be non-empty');
  else faults.push(...lengthFault(name, 63, 'bytes').map((fault) => `name part ${fault}`));
  if (!qualifiedPattern.test(name)) faults.push(`name part ${qualifiedFault}`);
  return faults;
}

/** A label's value: empty or at most 63 bytes. */
export function labelValue(value: string): string[] {
  const faults = lengthFault(value, 63, 'bytes');
  if (labelValuePattern.test(value)) return faults;
  const text =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
  return [...faults, mismatch(text, `(${qualified})?`, 'MyValue', 'my_value', '12345')];
}

/** Keys of ConfigMaps and Secrets. */
export function configMapKey(value: string): string[] {
  const faults = lengthFault(value, 253);
  if (!configMapKeyPattern.test(value)) {
    faults.push(
      mismatch(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        '[-._a-zA-Z0-9]+',
        'key.name',
        'KEY_NAME',
        'key-name',
      ),
    );
  }
  if (value === '.') faults.push(`must not be '.'`);
  else if (value === '..') faults.push(`must not be '..'`);
  else if (value.startsWith('..')) faults.push(`must not start with '..'`);
  return faults;
}

/** What every name in a URL must be (RBAC kinds and others that take any path segment). */
export function pathSegmentName(value: string): string[] {
  if (value === '.' || value === '..') return [`may not be '${value}'`];
  return ['/', '%'].filter((mark) => value.includes(mark)).map((mark) => `may not contain '${mark}'`);
}

/** Names of container ports. */
export function portName(value: string): string[] {
  const faults = lengthFault(value, 15);
  if (!/^[-a-z0-9]+$/.test(value))
    faults.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!/[a-z]/.test(value)) faults.push('must contain at least one letter (a-z)');
  if (value.includes('--')) faults.push('must not contain consecutive hyphens');
  if (value.startsWith('-') || value.endsWith('-')) faults.push('must not begin or end with a hyphen');
  return faults;
}
