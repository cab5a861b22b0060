/**
 * The X.509 writer, in a file of its own so that it can be loaded on demand: a bundler gives a dynamic import of a
 * CommonJS package no named exports, a static one it does.
 */
// The library resolves its parts by decorators and needs this first, without declaring it.
import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as library from '@peculiar/x509';

library.cryptoProvider.set(webcrypto);

/** `@peculiar/x509`, ready to use. */
export const x509Library: typeof library = library;
