/** The one set of limits for all hops (DESIGN section 4 "Limits"; facts/stack.md D.11). */
export const httpLimits = {
  /** Header fields of one request; above it the first hop answers 431. 600 groups and the rest fit. */
  headerCountMax: 1000,
  /** Sum of name and value bytes plus 4 a field. */
  headerBytesMax: 64 * 1024,
  /** Node's own caps sit higher, because they reset streams or the whole session instead of answering. */
  nodeHeaderBytesMax: 256 * 1024,
  nodeHeaderPairsMax: 4000,
  /** A request body that is read whole (kube-apiserver's own limit is 3 MiB for JSON). */
  bodyBytesMax: 3 * 1024 * 1024,
  /** Time for the request head to arrive. */
  headTimeoutMs: 20_000,
  /** An idle keep-alive connection. */
  idleTimeoutMs: 90_000,
} as const;
