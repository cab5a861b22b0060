/** The schema of metadata, for kinds whose own schema does not tell it: custom and embedded resources. */
import type { Schema } from './schema.ts';

const text: Schema = { type: 'string', nullable: true };
const time: Schema = { type: 'string', format: 'date-time', nullable: true };
const whole: Schema = { type: 'integer', format: 'int64', nullable: true };
const flag: Schema = { type: 'boolean', nullable: true };
const texts: Schema = { type: 'object', nullable: true, additionalProperties: text };

const ownerReference: Schema = {
  type: 'object',
  mapType: 'atomic',
  properties: { apiVersion: text, kind: text, name: text, uid: text, controller: flag, blockOwnerDeletion: flag },
};

/** ObjectMeta of apimachinery meta/v1. */
export const objectMetaSchema: Schema = {
  type: 'object',
  nullable: true,
  native: true,
  properties: {
    name: text,
    generateName: text,
    namespace: text,
    selfLink: text,
    uid: text,
    resourceVersion: text,
    generation: whole,
    creationTimestamp: time,
    deletionTimestamp: time,
    deletionGracePeriodSeconds: whole,
    labels: texts,
    annotations: texts,
    ownerReferences: {
      type: 'array',
      nullable: true,
      native: true,
      listType: 'map',
      listMapKeys: ['uid'],
      patchStrategy: ['merge'],
      patchMergeKey: 'uid',
      items: ownerReference,
    },
    finalizers: { type: 'array', nullable: true, native: true, listType: 'set', patchStrategy: ['merge'], items: text },
    managedFields: {
      type: 'array',
      nullable: true,
      native: true,
      listType: 'atomic',
      items: { type: 'object', preserveUnknownFields: true },
    },
  },
};

/** Present in every object. */
export const typeMetaProperties: Readonly<Record<string, Schema>> = {
  apiVersion: { type: 'string' },
  kind: { type: 'string' },
};
