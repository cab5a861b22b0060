/** Bounds of one text. `nodesMax` counts after aliases are written out, which is what a "billion laughs" text makes. */
export interface YamlLimits {
  readonly bytesMax: number;
  readonly depthMax: number;
  readonly documentsMax: number;
  readonly nodesMax: number;
}

/** What is read when nobody says otherwise. */
export const yamlLimits: YamlLimits = {
  bytesMax: 64 * 1024 * 1024,
  depthMax: 200,
  documentsMax: 20_000,
  nodesMax: 5_000_000,
};
