import { expect, it } from 'vitest';
import type { Deployment, PodTemplate } from '@polyanthus/kube-kinds/core';
import { newSetAnnotations, revisionAnnotation, revisionHistoryAnnotation } from './revision.ts';
import { findNewSet, templateHash, templateHashLabel } from './template.ts';

const template = (image: string, labels: Readonly<Record<string, string>> = { app: 'a' }): PodTemplate => ({
  metadata: { labels },
  spec: { containers: [{ name: 'c', image }] },
});
const deployment = (image: string): Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'd', annotations: { note: 'x' } },
  spec: { selector: {}, template: template(image) },
});
const set = (name: string, image: string, annotations: Readonly<Record<string, string>> = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'ReplicaSet',
  metadata: { name, annotations, creationTimestamp: '2026-01-01T00:00:00Z' },
  spec: { selector: {}, template: template(image, { app: 'a', [templateHashLabel]: 'h' }) },
});

it('finds the new set by its template, whatever its hash label says', () => {
  expect(findNewSet(deployment('v2'), [set('one', 'v1'), set('two', 'v2')])?.metadata.name).toBe('two');
  expect(findNewSet(deployment('v3'), [set('one', 'v1')])).toBeUndefined();
});

it('hashes the same template alike whatever the order of its keys, and others apart', () => {
  const turned = { spec: { containers: [{ image: 'v1', name: 'c' }] }, metadata: { labels: { app: 'a' } } };
  expect(templateHash(turned, 0)).toBe(templateHash(template('v1'), 0));
  expect(templateHash(template('v1'), 1)).not.toBe(templateHash(template('v1'), 0));
  expect(templateHash(template('v2'), 0)).not.toBe(templateHash(template('v1'), 0));
});

it('gives a set that is rolled back to the next revision and remembers the old one', () => {
  const old = [set('two', 'v2', { [revisionAnnotation]: '2' })];
  const again = newSetAnnotations(deployment('v1'), old, set('one', 'v1', { [revisionAnnotation]: '1' }));
  expect(again).toMatchObject({ [revisionAnnotation]: '3', [revisionHistoryAnnotation]: '1', note: 'x' });
});
