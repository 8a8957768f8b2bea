// Doing the newest thing only: what is asked for while something is under way replaces what waits.

/** Runs `work` for the newest value, one at a time, at least `everyMs` apart. */
export function newestOnly<T>(work: (value: T) => Promise<unknown>, everyMs: number): (value: T) => void {
  let waiting: { value: T } | null = null;
  let busy = false;
  const next = async () => {
    busy = true;
    while (waiting) {
      const { value } = waiting;
      waiting = null;
      await work(value).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
    busy = false;
  };
  return (value) => {
    waiting = { value };
    if (!busy) void next();
  };
}
