// Exports that are under way, and the receipts of those that have ended.

import type { ExportPlan } from "../bindings";
import { answer, cancelExport, problemOf, reveal } from "../engine";
import { baseName } from "../lib/names";
import * as format from "../lib/time";
import { locale, say } from "../words/index.svelte";
import { live } from "./live.svelte";
import { toasts } from "./toasts.svelte";

class Exports {
  running = $state<{ output: string; name: string }[]>([]);
  private cancelled = new Set<string>();

  /** How far one is, 0 to 1. */
  share(output: string): number {
    return live.exports[output] ?? 0;
  }

  /** Makes a file; says when it is ready, and why where it is not. */
  async run(plan: ExportPlan): Promise<boolean> {
    const [output, name] = [plan.output, baseName(plan.output)];
    this.running = [...this.running, { output, name }];
    try {
      const made = await answer({ export: plan }, "exported");
      const w = say().export;
      toasts.say(w.done(name, format.bytes(made.bytes, locale())), [{ label: w.reveal, run: () => void reveal(output).catch(toasts.failed) }]);
      if (made.skipped.length) toasts.warn(w.skipped(format.count(made.skipped.length, locale())));
      return true;
    } catch (thrown) {
      if (this.cancelled.delete(output)) toasts.say(say().export.cancelled);
      else toasts.warn(problemOf(thrown).message);
      return false;
    } finally {
      this.running = this.running.filter((running) => running.output !== output);
      delete live.exports[output];
    }
  }

  async cancel(output: string): Promise<void> {
    this.cancelled.add(output);
    await cancelExport(output).catch((thrown) => {
      this.cancelled.delete(output);
      toasts.warn(problemOf(thrown).message);
    });
  }
}

/** The ones of this window. */
export const exports = new Exports();
