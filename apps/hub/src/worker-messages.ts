/** What the main thread and the workers say to each other. Everything else goes over the unix socket. */
import type { ClusterSecrets } from './data-directory.ts';
import type { OidcSettings } from './oidc.ts';
import type { FrontDoor } from './executor-member.ts';
import type { HubApiAddress } from './hub-api.ts';

/** A simulated node of a demo cluster: plain data for the simulation. */
export interface DemoNode {
  readonly name: string;
  readonly zone: string;
}

/** A logical cluster that the API worker serves besides the hub's own, on a port of its own. */
export interface ServedCluster {
  readonly name: string;
  readonly port: number;
  readonly nodes: readonly DemoNode[];
}

/** Given to the API worker at its start. */
export interface ApiWorkerData {
  readonly storeDirectory: string;
  readonly socketPath: string;
  readonly secrets: Readonly<Record<string, ClusterSecrets>>;
  readonly adminToken: string;
  /** Whose users may sign in, beside the hub's own. */
  readonly oidc: OidcSettings | undefined;
  readonly served: readonly ServedCluster[];
}

/** Given to the controllers' worker at its start. */
export interface ControllersWorkerData {
  readonly socketPath: string;
  readonly secrets: Readonly<Record<string, ClusterSecrets>>;
  readonly served: readonly ServedCluster[];
}

/** Given to the worker of a replica on a cluster. */
export interface LeaderWorkerData {
  readonly address: HubApiAddress;
  readonly namespace: string;
  readonly replica: string;
}

/** Given to the worker that carries runs out: the hub's API, and the way to members. */
export interface RunbookWorkerData {
  readonly address: HubApiAddress;
  readonly door: FrontDoor;
}

/** From a worker: it serves (with the ports that it got), a log line, or why it could not start. */
export type WorkerMessage =
  | { readonly kind: 'ready'; readonly ports: Readonly<Record<string, number>> }
  | {
      readonly kind: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields: Readonly<Record<string, unknown>>;
    }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly next: string };

/** To a worker. */
export type MainMessage = { readonly kind: 'stop' };
