// Which of ten thousand recordings are drawn, and which pages of them are asked for. Pure.

/** Recordings that are asked for at once. */
export const pageSize = 60;

export type Window = { first: number; last: number; before: number; after: number };

/** Which rows are drawn: those that can be seen, and `extra` beyond; with the height of what is left out around them. */
export function visible(rows: number, rowHeight: number, scrolled: number, height: number, extra = 3): Window {
  const first = Math.max(0, Math.min(rows, Math.floor(scrolled / rowHeight) - extra));
  const last = Math.min(rows, Math.ceil((scrolled + height) / rowHeight) + extra);
  return { first, last, before: first * rowHeight, after: Math.max(0, rows - last) * rowHeight };
}

/** How many cards lie side by side, each at least `least` wide. */
export const columnsIn = (width: number, least: number, gap: number) => Math.max(1, Math.floor((width + gap) / (least + gap)));

/** The pages that hold these recordings. */
export function pagesFor(first: number, last: number, total: number): number[] {
  const end = Math.min(last, total);
  if (end <= first) return [];
  const from = Math.floor(first / pageSize);
  return Array.from({ length: Math.floor((end - 1) / pageSize) - from + 1 }, (_, i) => from + i);
}

/** Where an arrow key leads from one recording to another; the same where there is none. */
export function stepped(at: number, key: string, columns: number, total: number): number {
  const by: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns };
  if (key === "Home") return 0;
  if (key === "End") return Math.max(0, total - 1);
  const next = at + (by[key] ?? 0);
  return next < 0 || next >= total ? at : next;
}
