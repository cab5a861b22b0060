/** Which exports are public: those that another room imports. Inside a room a good name is enough. */

const importLine =
  /(?:import|export)\s+(?:type\s+)?\{([^}]*)\}\s*from\s*'@polyanthus\/(ground|kube|engine|domains|apps)-([^/']+)\/([^']+)'/g;

/** Path of a file to the names that other rooms import from it. */
export type PublicExports = ReadonlyMap<string, ReadonlySet<string>>;

/** Reads every import of a room's file from outside that room. */
export function publicExports(files: readonly string[], read: (path: string) => string): PublicExports {
  const found = new Map<string, Set<string>>();
  for (const path of files.filter((one) => one.endsWith('.ts'))) {
    const room = path.split('/').slice(0, 2).join('/');
    for (const [, names = '', floor = '', other = '', file = ''] of read(path).matchAll(importLine)) {
      if (`${floor}/${other}` === room) continue;
      const target = `${floor}/${other}/${file.startsWith('commands/') ? '' : 'src/'}${file}.ts`;
      const known = found.get(target) ?? new Set<string>();
      found.set(target, known);
      for (const name of names.split(',')) known.add(plainName(name));
    }
  }
  return found;
}

function plainName(specifier: string): string {
  const name = specifier.trim().replace(/^type /, '');
  return name.split(' as ')[0]?.trim() ?? '';
}
