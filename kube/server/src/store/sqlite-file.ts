/** The database file of a store: commits and compaction. Synchronous: it belongs into a thread of its own. */
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { unpackBatch, type Batch, type BatchRow } from './sqlite-batch.ts';
import { historyCrc, objectCrc, stateCrc, type StateRow } from './sqlite-format.ts';

/** Pages of the write-ahead log (4 KiB each) after which they are moved into the file. */
const checkpointPages = 4000;
const cacheKib = 32 * 1024;
/** A user's sqlite3 may hold the file for a moment. */
const busyMs = 5000;

/** Rows of history that one step of compaction removes, so that commits come in between. */
export const compactStepRows = 1000;

/** Opens the file for writing with the settings that make an acknowledged commit survive a power cut. */
export function openDatabase(path: string, walPages = checkpointPages): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: busyMs });
  database.exec(
    `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = ${walPages};
     PRAGMA cache_size = -${cacheKib}; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF`,
  );
  return database;
}

type StatementName = keyof typeof statements;

const statements = {
  create: 'INSERT INTO objects (create_revision, revision, key, idx, bytes, crc) VALUES (?, ?, ?, ?, ?, ?)',
  update: 'UPDATE objects SET revision = ?, idx = ?, bytes = ?, crc = ? WHERE create_revision = ?',
  delete: 'DELETE FROM objects WHERE create_revision = ?',
  record: 'INSERT INTO history (revision, key, final, crc) VALUES (?, ?, ?, ?)',
  recordPrevious: `INSERT INTO history (revision, key, final, crc, previous_create_revision, previous_revision, previous_idx, previous_bytes, previous_crc)
    SELECT ?, ?, ?, ?, create_revision, revision, idx, bytes, crc FROM objects WHERE create_revision = ?`,
  forget: 'DELETE FROM history WHERE revision <= ?',
  state: 'UPDATE state SET revision = ?, compacted = ?, objects = ?, crc = ? WHERE id = 1',
} as const;

/** An open, verified file. Throws what SQLite throws; after a throw nothing of the call is in the file. */
export class SqliteFile {
  readonly #database: DatabaseSync;
  readonly #statements: Readonly<Record<StatementName, StatementSync>>;
  #state: StateRow;

  /** `walPages`: how long the log may grow before it is moved into the file. */
  constructor(path: string, walPages = checkpointPages) {
    this.#database = openDatabase(path, walPages);
    const prepare = (name: StatementName): StatementSync => this.#database.prepare(statements[name]);
    this.#statements = {
      create: prepare('create'),
      update: prepare('update'),
      delete: prepare('delete'),
      record: prepare('record'),
      recordPrevious: prepare('recordPrevious'),
      forget: prepare('forget'),
      state: prepare('state'),
    };
    this.#state = this.#database.prepare('SELECT revision, compacted, objects FROM state').get() as unknown as StateRow;
  }

  /** One transaction; durable when it returns, rolled back when it throws. */
  commit(batch: Batch): void {
    this.#transaction(() => {
      let { revision, objects } = this.#state;
      for (const { row, bytes } of unpackBatch(batch)) {
        this.#record(row, bytes);
        this.#put(row, bytes);
        revision = row.revision;
        objects += row.kind === 'create' ? 1 : row.kind === 'delete' ? -1 : 0;
      }
      return { ...this.#state, revision, objects };
    });
  }

  /** Removes the next rows of history up to `revision`. Answers whether more are left. */
  compactStep(revision: number): boolean {
    const compacted = Math.min(revision, this.#state.compacted + compactStepRows);
    if (compacted <= this.#state.compacted) return false;
    this.#transaction(() => {
      this.#statements.forget.run(compacted);
      return { ...this.#state, compacted };
    });
    return compacted < revision;
  }

  /** Moves the write-ahead log into the file, so that one file is the whole store, and closes it. */
  close(): void {
    this.#database.close();
  }

  #transaction(change: () => StateRow): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      const next = change();
      expectOne(this.#statements.state.run(next.revision, next.compacted, next.objects, stateCrc(next)), 'state');
      this.#database.exec('COMMIT');
      this.#state = next;
    } catch (error) {
      // Some errors (a full disk) have rolled back already.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  /** Before the object changes: history copies what is there. */
  #record(row: BatchRow, bytes: Uint8Array): void {
    const final = row.kind === 'delete' && row.length !== undefined ? bytes : null;
    const { revision, key } = row;
    const createRevision = row.kind === 'create' ? null : row.createRevision;
    const crc = historyCrc({ revision, key, final, createRevision });
    if (createRevision === null) this.#statements.record.run(revision, key, final, crc);
    else expectOne(this.#statements.recordPrevious.run(revision, key, final, crc, createRevision), key);
  }

  #put(row: BatchRow, bytes: Uint8Array): void {
    const { key, revision, createRevision, idx } = row;
    if (row.kind === 'delete') {
      expectOne(this.#statements.delete.run(createRevision), key);
      return;
    }
    const crc = objectCrc({ create_revision: createRevision, revision, key, idx, bytes });
    if (row.kind === 'create') this.#statements.create.run(createRevision, revision, key, idx, bytes, crc);
    else expectOne(this.#statements.update.run(revision, idx, bytes, crc, createRevision), key);
  }
}

/** The file must hold what memory holds. */
function expectOne(result: { readonly changes: number | bigint }, what: string): void {
  if (Number(result.changes) !== 1) throw new Error(`the row of ${what} is not in the file`);
}
