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

const bytesOf = (text: string): number => new TextEncoder().encode(text).length;

/** `… (e.g. 'my-name',  or '123-abc', regex used for validation is '…')`, doubled blank included as in Go. */
function mismatch(message: string, pattern: string, ...examples: readonly string[]): string {
  const list = examples.map((example, index) => `${index === 0 ? '' : ' or '}'${example}', `).join('');
  return `${message} (e.g. ${list}regex used for validation is '${pattern}')`;
}

const maxLength = (most: number): string => `must be no more than ${most} bytes`;

/** Like `must be no more than 63 bytes`, when it is longer. */
function lengthFault(value: string, most: number): string[] {
  return bytesOf(value) > most ? [maxLength(most)] : [];
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

/** RFC 1123 subdomain: most object names. At most 253 bytes. */
export function dns1123Subdomain(value: string): string[] {
  const faults = lengthFault(value, 253);
  if (subdomainPattern.test(value)) return faults;
  const text =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";
  return [...faults, mismatch(text, subdomain, 'example.com')];
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

/** A label or annotation key: `[prefix/]name`. */
export function qualifiedName(value: string): string[] {
  const parts = value.split('/');
  const faults: string[] = [];
  const message =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
  if (parts.length > 2) {
    const text =
      "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
    return [
      `${mismatch(text, qualified, 'MyName', 'my.name', '123-abc')} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  if (parts.length === 2) {
    const prefix = parts[0] ?? '';
    if (prefix === '') faults.push('prefix part must be non-empty');
    else faults.push(...dns1123Subdomain(prefix).map((fault) => `prefix part ${fault}`));
  }
  const name = parts.at(-1) ?? '';
  if (name === '') faults.push('name part must be non-empty');
  else if (bytesOf(name) > 63) faults.push(`name part ${maxLength(63)}`);
  if (!qualifiedPattern.test(name))
    faults.push(`name part ${mismatch(message, qualified, 'MyName', 'my.name', '123-abc')}`);
  return faults;
}

/** A label's value: empty or at most 63 bytes. */
export function labelValue(value: string): string[] {
  const faults = lengthFault(value, 63);
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
