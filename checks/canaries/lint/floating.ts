// A canary: a floating promise and a switch that is not exhaustive. checks/lint.test.ts expects both to be found.
async function work(): Promise<void> {
  await Promise.resolve();
}

export function start(mode: 'a' | 'b'): number {
  work();
  switch (mode) {
    case 'a':
      return 1;
  }
  return 0;
}
