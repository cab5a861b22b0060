/** What distinguishes kinds when they are written (kube-apiserver's registry strategies), as data and small functions. */
import type { ApiObject, Faults } from '../api-object.ts';

export interface WriteMoment {
  readonly nowMs: number;
  /** Subresource that is written, empty for the object itself. */
  readonly subresource: string;
}

export interface Strategy {
  /** Faults of a name; `prefix` for a generateName. */
  readonly nameFaults: (name: string, prefix: boolean) => readonly string[];
  /** `status` belongs to a subresource of its own and is not written with the object. */
  readonly hasStatus: boolean;
  /** metadata.generation starts at 1 and grows when anything but metadata and status changes. */
  readonly tracksGeneration: boolean;
  /** An update without resourceVersion overwrites what is there. */
  readonly unconditionalUpdate: boolean;
  /** A PUT to a name that does not exist creates it. */
  readonly createOnUpdate: boolean;
  /** The status that a new object starts with. */
  readonly initialStatus?: ApiObject['status'];
  /** Changes that the server makes before validation. */
  readonly prepare?: (after: ApiObject, before: ApiObject | undefined, moment: WriteMoment) => ApiObject;
  /** Rules beyond the schema; `before` is absent on create. */
  readonly faults?: (after: ApiObject, before: ApiObject | undefined, moment: WriteMoment) => Faults;
  /** Values of selectable fields that are not simply the value at their path. */
  readonly fields?: (object: ApiObject) => Readonly<Record<string, string>>;
  /** Seconds that a deletion waits for its agent (kubelet); absent: none. */
  readonly grace?: (object: ApiObject, requestedSeconds: number | undefined) => number;
  /** A finalizer that every deletion sets: the server itself cleans up. */
  readonly deletionFinalizer?: string;
  /** What becomes of dependents when the request does not say. */
  readonly defaultPropagation?: 'Orphan' | 'Background';
}
