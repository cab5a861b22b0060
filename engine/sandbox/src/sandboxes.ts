/** Sandboxes by name, in the memory of one process. */
import type { Context } from '@polyanthus/ground-base/context';
import type { Random } from '@polyanthus/ground-base/random';
import { nodes, pods } from '@polyanthus/kube-kinds/core';
import type { KubeObject } from '@polyanthus/kube-objects/meta';
import type { ResourceType } from '@polyanthus/kube-objects/resource';
import { dns1123Label } from '@polyanthus/kube-objects/names';
import type { LoadOutcome } from '@polyanthus/kube-server/load';
import { sandboxErrors } from './errors.ts';
import { sandboxNodes, type SandboxNodes } from './nodes.ts';
import { createSandbox, type Sandbox, type SandboxState } from './sandbox.ts';
import type { Snapshot } from './snapshot.ts';

/** As `polyanthus sandbox list` shows it; the token is secret. */
export interface NamedSandbox {
  readonly name: string;
  readonly createdMs: number;
  readonly token: string;
  /** Simulated nodes; with 0 nothing runs in it, it is an API alone. */
  readonly nodes: number;
  readonly sandbox: Sandbox;
}

interface Entry extends NamedSandbox {
  readonly running: SandboxNodes | undefined;
}

/** How a copy is put in. */
export interface LoadOptions {
  /** What the sandbox has and the copy has not is gone after. */
  readonly replace?: boolean;
  /** Kubelets of the copy's nodes are silent: with simulated nodes the copy is given up as a cluster that lost them all. */
  readonly silentNodes?: boolean;
}

function objectsOf<T extends KubeObject>({ resources }: Snapshot, type: ResourceType<T>): readonly T[] {
  const found = resources.find((one) => one.group === type.group && one.kind === type.kind);
  return (found?.objects ?? []) as readonly unknown[] as readonly T[];
}

/** What one process holds at most. */
const sandboxesMax = 200;
const nodesMax = 500;

export class Sandboxes {
  readonly #ctx: Context;
  readonly #random: Random;
  readonly #entries = new Map<string, Entry>();
  /** An empty cluster, so that a replacing load can begin anew. */
  #empty: SandboxState | undefined;

  /** `ctx` gives the clock and ends what runs in them. */
  constructor(ctx: Context, random: Random) {
    this.#ctx = ctx;
    this.#random = random;
  }

  list(): readonly NamedSandbox[] {
    return [...this.#entries.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  find(name: string): NamedSandbox | undefined {
    return this.#entries.get(name);
  }

  /** Throws SandboxNotFound. */
  get(name: string): NamedSandbox {
    const found = this.#entries.get(name);
    if (found === undefined)
      throw sandboxErrors.error('SandboxNotFound', `there is no sandbox ${JSON.stringify(name)}`);
    return found;
  }

  /** Throws SandboxExists and SandboxRefused when `create` would. */
  check(name: string, nodes: number): void {
    const faults = dns1123Label(name);
    if (faults.length > 0 || name.length > 50)
      throw sandboxErrors.error(
        'SandboxRefused',
        `a sandbox cannot be called ${JSON.stringify(name)}: ${faults[0] ?? 'more than 50 characters'}`,
        { next: 'Choose a name of lower-case letters, digits and -, 50 characters at most.' },
      );
    if (!Number.isSafeInteger(nodes) || nodes < 0 || nodes > nodesMax)
      throw sandboxErrors.error('SandboxRefused', `a sandbox has 0 to ${nodesMax} nodes, not ${nodes}`, {
        next: `Give --nodes from 0 to ${nodesMax}.`,
      });
    if (this.#entries.has(name)) throw sandboxErrors.error('SandboxExists', `there is a sandbox ${name} already`);
    if (this.#entries.size >= sandboxesMax)
      throw sandboxErrors.error('SandboxRefused', `there are ${sandboxesMax} sandboxes already, the most there may be`);
  }

  /** Makes one. Throws SandboxExists, SandboxRefused. */
  async create(name: string, nodes = 0): Promise<NamedSandbox> {
    this.check(name, nodes);
    const token = Buffer.from(this.#random.bytes(24)).toString('base64url');
    const running = nodes === 0 ? undefined : sandboxNodes(this.#ctx, nodes, this.#random);
    const sandbox = await createSandbox(this.#ctx, {
      random: this.#random,
      token,
      ...(running === undefined ? {} : { dialKubelet: running.dialKubelet }),
    });
    if (this.#entries.has(name)) {
      await sandbox.close();
      throw sandboxErrors.error('SandboxExists', `there is a sandbox ${name} already`);
    }
    running?.start(sandbox.client);
    const entry: Entry = { name, createdMs: this.#ctx.clock.now(), token, nodes, sandbox, running };
    this.#entries.set(name, entry);
    return entry;
  }

  /** Throws SandboxNotFound. */
  async delete(name: string): Promise<void> {
    const entry = this.get(name) as Entry;
    this.#entries.delete(name);
    await entry.running?.stop();
    await entry.sandbox.close();
  }

  /** Puts a copy in. Throws SandboxNotFound. */
  async load(ctx: Context, name: string, snapshot: Snapshot, how: LoadOptions = {}): Promise<LoadOutcome> {
    const { sandbox, running } = this.get(name) as Entry;
    const { replace = false, silentNodes = false } = how;
    if (replace) await sandbox.restore(ctx, await this.#emptyState());
    const outcome = await sandbox.load(ctx, snapshot);
    const copy = { nodes: objectsOf(snapshot, nodes), pods: objectsOf(snapshot, pods) };
    running?.adopt(silentNodes ? { nodes: [], pods: [] } : copy, replace);
    return outcome;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#entries.keys()].map((name) => this.delete(name)));
  }

  async #emptyState(): Promise<SandboxState> {
    if (this.#empty === undefined) {
      const made = await createSandbox(this.#ctx, { random: this.#random });
      this.#empty = made.state();
      await made.close();
    }
    return this.#empty;
  }
}
