/** Typed reading of a command's input; the parser has already checked kinds and choices. */
import type { CommandInput } from './command.ts';

/** The text of an option, or undefined. */
export function text(input: CommandInput, name: string): string | undefined {
  const value = input.options[name];
  return typeof value === 'string' ? value : undefined;
}

/** The text of an option that has a default or is required. */
export function requiredText(input: CommandInput, name: string): string {
  const value = text(input, name);
  if (value === undefined) throw new Error(`option --${name} has neither a default nor is it required`);
  return value;
}

/** Whether a boolean option is set. */
export function flag(input: CommandInput, name: string): boolean {
  return input.options[name] === true;
}

/** The number of an integer or duration (milliseconds) option. */
export function number(input: CommandInput, name: string): number | undefined {
  const value = input.options[name];
  return typeof value === 'number' ? value : undefined;
}

/** Every value of a repeated option. */
export function texts(input: CommandInput, name: string): readonly string[] {
  const value = input.options[name];
  return Array.isArray(value) ? (value as readonly string[]) : [];
}

/** Positional argument `index`. */
export function argument(input: CommandInput, index: number): string {
  const value = input.args[index];
  if (value === undefined) throw new Error(`argument ${index} is required by the table but absent`);
  return value;
}
