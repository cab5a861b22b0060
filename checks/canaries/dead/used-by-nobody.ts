// A canary: an export that nobody imports. checks/dead.test.ts expects it, and nothing else, to be found.
export const usedByNobody = true;
