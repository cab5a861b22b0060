/** Turns house.json into dependency-cruiser rules, and runs them. TypeScript 7 has no parser for it, hence swc. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cruise, type ICruiseResult, type IForbiddenRuleType } from 'dependency-cruiser';

interface House {
  readonly floors: readonly string[];
  readonly rooms: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  readonly browserSafe: readonly string[];
  readonly onlyImportedBy: Readonly<Record<string, readonly string[]>>;
  readonly owners: Readonly<Record<string, string>>;
  readonly modulesAtLeast: number;
}

/** The house as data. */
export const house = JSON.parse(readFileSync(join(import.meta.dirname, 'house.json'), 'utf8')) as House;

const tests = '(\\.test\\.ts|/testing\\.ts|/conformance\\.ts|/soak/)';
const inside = (room: string): string => `(^|/)${room}/(src|commands)/`;
const anyOf = (rooms: readonly string[]): string => `(^|/)(${rooms.join('|')})/(src|commands)/`;

/** Every room as `floor/room`. */
export function allRooms(): readonly string[] {
  return house.floors.flatMap((floor) => Object.keys(house.rooms[floor] ?? {}).map((room) => `${floor}/${room}`));
}

function floorsBelow(floor: string): readonly string[] {
  return house.floors.slice(0, house.floors.indexOf(floor));
}

function roomRules(): readonly IForbiddenRuleType[] {
  return house.floors.flatMap((floor) =>
    Object.entries(house.rooms[floor] ?? {}).flatMap(([room, edges]) => {
      const self = `${floor}/${room}`;
      const below = allRooms().filter((other) => floorsBelow(floor).includes(other.split('/')[0] ?? ''));
      const sameFloor = Object.keys(house.rooms[floor] ?? {}).map((other) => `${floor}/${other}`);
      const allowed = [self, ...edges.map((edge) => `${floor}/${edge}`), ...below];
      return [
        rule(
          `${self}-imports`,
          'Import only floors below and the edges of checks/house.json (or move the code).',
          { path: inside(self), pathNot: tests },
          { path: anyOf(allRooms()), pathNot: anyOf(allowed) },
        ),
        rule(
          `${self}-test-imports`,
          'A test may import its own floor and those below.',
          { path: `${inside(self)}.*${tests}` },
          { path: anyOf(allRooms()), pathNot: anyOf([...below, ...sameFloor]) },
        ),
      ];
    }),
  );
}

function rule(name: string, comment: string, from: object, to: object): IForbiddenRuleType {
  return { name, comment, severity: 'error', from, to } as IForbiddenRuleType;
}

function otherRules(): readonly IForbiddenRuleType[] {
  return [
    ...house.browserSafe.map((room) =>
      rule(
        `${room}-browser-safe`,
        'This room runs in a browser too: no Node modules.',
        { path: inside(room), pathNot: tests },
        { dependencyTypes: ['core'] },
      ),
    ),
    ...Object.entries(house.onlyImportedBy).map(([room, users]) =>
      rule(
        `${room}-users`,
        `Only ${users.join(', ')} and tests import this room; apps inject it.`,
        { pathNot: `${tests}|${anyOf([room, ...users])}|(^|/)(bench|lab|checks)/` },
        { path: inside(room) },
      ),
    ),
    ...Object.entries(house.owners).map(([module, owner]) =>
      rule(
        `owner-of-${module}`,
        `Only ${owner} imports ${module}; call that room instead.`,
        { pathNot: `(^|/)(${owner}|bench|checks)/|${tests}` },
        { path: `node_modules/${module}/` },
      ),
    ),
    rule('no-cycles', 'Two files need each other: move what they share into a third.', {}, { circular: true }),
    rule('resolvable', 'The import does not lead anywhere.', {}, { couldNotResolve: true }),
  ];
}

/** The violations below `baseDir`, one line each, and how many modules were looked at. */
export async function checkHouse(
  baseDir: string,
  folders: readonly string[],
): Promise<{ readonly modules: number; readonly violations: readonly string[] }> {
  const rules = [...roomRules(), ...otherRules()];
  const howToMend = new Map(rules.map((one) => [one.name ?? '', one.comment ?? '']));
  const reporter = await cruise([...folders], {
    baseDir,
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/|testdata/' },
    ruleSet: { forbidden: rules },
    validate: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.json'],
    },
  });
  const result = reporter.output as ICruiseResult;
  return {
    modules: result.modules.filter((module) => module.source.endsWith('.ts')).length,
    violations: result.summary.violations.map(
      (violation) =>
        `${violation.from} -> ${violation.to}: ${violation.rule.name}. ${howToMend.get(violation.rule.name) ?? ''}`,
    ),
  };
}
