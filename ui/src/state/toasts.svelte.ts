// Short words that appear at the edge and go by themselves: receipts, refusals, and the way back from what was done.

import { problemOf } from "../engine";

export type Toast = { id: number; text: string; tone: "plain" | "warn"; actions: { label: string; run: () => void }[] };

/** Long enough to read, and to think better of it. */
const plainMs = 6000;
const actionMs = 12_000;

class Toasts {
  all = $state<Toast[]>([]);
  private next = 1;
  private timers = new Map<number, ReturnType<typeof setTimeout>>();

  say(text: string, actions: Toast["actions"] = [], tone: Toast["tone"] = "plain"): void {
    const id = this.next++;
    this.all = [...this.all.filter((toast) => toast.text !== text), { id, text, tone, actions }].slice(-4);
    this.resume(id);
  }

  warn(text: string): void {
    this.say(text, [], "warn");
  }

  /** For what is asked in passing: says why where it did not work. */
  readonly failed = (thrown: unknown): void => this.warn(problemOf(thrown).message);

  close(id: number): void {
    this.hold(id);
    this.all = this.all.filter((toast) => toast.id !== id);
  }

  /** Who reads it or is about to press its button is not hurried. */
  hold(id: number): void {
    clearTimeout(this.timers.get(id));
    this.timers.delete(id);
  }

  resume(id: number): void {
    const toast = this.all.find((known) => known.id === id);
    if (toast) this.timers.set(id, setTimeout(() => this.close(id), toast.actions.length ? actionMs : plainMs));
  }
}

/** The ones of this window. */
export const toasts = new Toasts();
