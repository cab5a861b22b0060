/** The grammar of label selector texts (apimachinery labels.Parse), with its error texts. */
import { invalidValue } from './field-errors.ts';
import { qualifiedName } from './names.ts';
import type { LabelOperator, LabelRequirement } from './label-requirement.ts';

type Token = 'end' | ')' | '(' | ',' | '!' | '==' | '=' | '!=' | '>' | '<' | 'in' | 'notin' | 'word';
interface Item {
  readonly token: Token;
  readonly text: string;
}

const pattern = /\s*(?:(?<symbol>==|!=|[=!(),<>])|(?<word>[^\s=!(),<>]+))/gy;

function scan(text: string): Item[] {
  const items: Item[] = [];
  for (const { groups } of text.matchAll(pattern)) {
    const { symbol, word } = groups ?? {};
    if (symbol !== undefined) items.push({ token: symbol as Token, text: symbol });
    else if (word !== undefined) items.push({ token: word === 'in' || word === 'notin' ? word : 'word', text: word });
  }
  return [...items, { token: 'end', text: '' }];
}

const binary: Readonly<Partial<Record<Token, LabelOperator>>> = {
  in: 'in',
  notin: 'notin',
  '=': '=',
  '==': '=',
  '!=': '!=',
  '>': 'gt',
  '<': 'lt',
};

class Fault extends Error {}

class Parser {
  readonly #items: readonly Item[];
  #at = 0;

  constructor(text: string) {
    this.#items = scan(text);
  }

  /** Where a value or a key is expected, `in` and `notin` are words. */
  #peek(keywords = false): Item {
    const item = this.#items[this.#at] ?? { token: 'end', text: '' };
    return !keywords && (item.token === 'in' || item.token === 'notin') ? { token: 'word', text: item.text } : item;
  }

  #next(keywords = false): Item {
    const item = this.#peek(keywords);
    this.#at += 1;
    return item;
  }

  all(): LabelRequirement[] {
    const requirements: LabelRequirement[] = [];
    for (;;) {
      const { token, text } = this.#peek();
      if (token === 'end') return requirements;
      if (token !== 'word' && token !== '!')
        throw new Fault(`found '${text}', expected: !, identifier, or 'end of string'`);
      requirements.push(this.#requirement());
      const after = this.#next();
      if (after.token === 'end') return requirements;
      if (after.token !== ',') throw new Fault(`found '${after.text}', expected: ',' or 'end of string'`);
      const following = this.#peek();
      if (following.token !== 'word' && following.token !== '!') {
        throw new Fault(`found '${following.text}', expected: identifier after ','`);
      }
    }
  }

  #requirement(): LabelRequirement {
    const inside = 'unable to parse requirement: ';
    let key = this.#next();
    const negated = key.token === '!';
    if (negated) key = this.#next();
    if (key.token !== 'word') throw new Fault(`${inside}found '${key.text}', expected: identifier`);
    const faults = qualifiedName(key.text);
    if (faults.length > 0) throw new Fault(`${inside}<nil>: ${invalidValue('', key.text, faults.join('; ')).message}`);
    if (negated) return { key: key.text, operator: '!', values: [] };
    const { token } = this.#peek();
    if (token === 'end' || token === ',') return { key: key.text, operator: 'exists', values: [] };
    const sign = this.#next(true);
    const operator = binary[sign.token];
    if (operator === undefined)
      throw new Fault(`${inside}found '${sign.text}', expected: in, notin, =, ==, !=, gt, lt`);
    const values = operator === 'in' || operator === 'notin' ? this.#set(inside) : [this.#exact(inside)];
    return { key: key.text, operator, values };
  }

  #exact(inside: string): string {
    const { token } = this.#peek();
    if (token === 'end' || token === ',') return '';
    const item = this.#next();
    if (item.token !== 'word') throw new Fault(`${inside}found '${item.text}', expected: identifier`);
    return item.text;
  }

  /** `(a, b)`; between two commas, or next to a parenthesis, there is an empty value. */
  #set(inside: string): string[] {
    const open = this.#next();
    if (open.token !== '(') throw new Fault(`${inside}found '${open.text}' expected: '('`);
    const values = new Set<string>();
    let current = '';
    for (;;) {
      const item = this.#next();
      if (item.token === ')' || item.token === ',') {
        values.add(current);
        current = '';
        if (item.token === ')') return [...values].toSorted();
      } else if (current !== '') throw new Fault(`${inside}found '${item.text}', expected: ',' or ')'`);
      else if (item.token === 'word') current = item.text;
      else throw new Fault(`${inside}found '${item.text}', expected: ',', or identifier`);
    }
  }
}

/** The requirements as written, or what is wrong with the text. */
export function parseRequirements(
  text: string,
): { readonly requirements: LabelRequirement[] } | { readonly fault: string } {
  try {
    return { requirements: new Parser(text).all() };
  } catch (error) {
    if (error instanceof Fault) return { fault: error.message };
    throw error;
  }
}
