/** The generated CRDs of the product's own kinds. */
import type { CustomResourceDefinition } from '../core.ts';
import crds from './crds.json' with { type: 'json' };

/** In order of src/own/manifest.ts; every one carries our ownership label. */
export const ownCrds: readonly CustomResourceDefinition[] = crds as unknown as readonly CustomResourceDefinition[];
