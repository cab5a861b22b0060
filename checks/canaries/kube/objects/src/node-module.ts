// A canary: a browser-safe room imports a Node module and a third-party module that another room owns.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

export const wrong = [readFileSync, parse];
