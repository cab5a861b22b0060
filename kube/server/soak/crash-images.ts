/**
 * Opens many crash images of the committed recording and writes a table: `node kube/server/soak/crash-images.ts [images]
 * [seed]`. Each image: every acknowledged write is there, no object is partial, the state is one that was.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { argv, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';
import { systemClock } from '@polyanthus/ground-base/clock';
import { defectOf, Disk, openImage, readRecording, statesOf } from '../src/store/crash-model.ts';

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const images = Number(argv[2] ?? 1500);
const seed = Number(argv[3] ?? 1);

let state = seed;
const random = (below: number): number => {
  state = (state * 48_271) % 0x7fffffff;
  return state % below;
};

interface Figures {
  checked: number;
  beyond: number;
  readonly recoverMs: number[];
  readonly defects: string[];
}

async function run(): Promise<Figures> {
  const recording = await readRecording(path('../src/store/testdata/crash-recording.jsonl.gz'));
  const states = statesOf(recording);
  const figures: Figures = { checked: 0, beyond: 0, recoverMs: [], defects: [] };
  const scratch = await mkdtemp(join(tmpdir(), 'crash-images-'));
  const stops = Array.from({ length: images }, () => random(recording.length + 1)).sort((a, b) => a - b);
  const disk = new Disk();
  let played = 0;
  for (const [index, stop] of stops.entries()) {
    for (; played < stop; played++) disk.apply(recording[played] as (typeof recording)[number]);
    const directory = join(scratch, 'image');
    const before = systemClock.monotonic();
    const defect = await openOne(directory, disk, states, figures);
    figures.recoverMs.push(systemClock.monotonic() - before);
    if (defect !== undefined) figures.defects.push(`image ${index} after operation ${stop}: ${defect}`);
    await rm(directory, { recursive: true });
  }
  await rm(scratch, { recursive: true });
  return figures;
}

async function openOne(
  directory: string,
  disk: Disk,
  states: ReturnType<typeof statesOf>,
  figures: Figures,
): Promise<string | undefined> {
  try {
    const content = await openImage(directory, disk.image(random));
    figures.checked += disk.acknowledged;
    if (content.revision > disk.acknowledged) figures.beyond++;
    return defectOf(content, disk.acknowledged, states);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function table({ checked, beyond, recoverMs, defects }: Figures): string {
  const sorted = [...recoverMs].sort((a, b) => a - b);
  const at = (share: number): string => `${(sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1)} ms`;
  return `# Crash images of the store
\`node kube/server/soak/crash-images.ts ${images} ${seed}\` on the committed recording: per file what was not synced is dropped,
kept or torn at 512-byte sectors; names not synced in the directory are there or not.

| | |
|---|---|
| images opened | ${images} |
| acknowledged writes checked (sum over the images) | ${checked} |
| acknowledged writes lost, objects partial, images refused | ${defects.length} |
| images that held more than was acknowledged (a commit synced or survived by chance) | ${beyond} |
| time to write an image, recover and verify it: median / 99 % / longest | ${at(0.5)} / ${at(0.99)} / ${at(1)} |
${defects.map((defect) => `\n- ${defect}`).join('')}`;
}

const figures = await run();
const evidence = path('../../../evidence/store-crash-images.md');
await mkdir(dirname(evidence), { recursive: true });
await writeFile(evidence, `${table(figures).trimEnd()}\n`);
stdout.write(`${table(figures)}\n`);
if (figures.defects.length > 0) throw new Error(`${figures.defects.length} defects`);
