// The library's list as far as it has been looked at: pages of one query, and what is known of single recordings.

import type { Order, Page, Query, RecordingLine, Verified } from "../bindings";
import { answer, ask, problemOf } from "../engine";
import { pageSize, pagesFor } from "../lib/shelf";
import * as format from "../lib/time";
import { locale, say } from "../words/index.svelte";
import { toasts } from "./toasts.svelte";

/** What reading everything again found, for as long as the window is open. */
export const receipts = $state<Record<string, Verified>>({});

/** A title, or what stands for one. */
export const titleOf = (line: { title: string }) => line.title || say().library.untitled;

export class Library {
  total = $state(0);
  bytes = $state(0);
  failure = $state<string | null>(null);
  /** Whether the first page of this query has come. */
  known = $state(false);
  private pages = $state.raw<ReadonlyMap<number, RecordingLine[]>>(new Map());
  private asked = new Set<number>();
  private query: Omit<Query, "offset" | "limit"> = { text: "", order: "newest", trashed: false };
  private round = 0;
  private later: ReturnType<typeof setTimeout> | undefined;

  /** Lists what this finds from now on. */
  async find(text: string, order: Order, trashed: boolean): Promise<void> {
    this.query = { text, order, trashed };
    this.known = false;
    await this.refresh();
  }

  /** Asks again for the pages that are there: something changed. */
  async refresh(): Promise<void> {
    this.round += 1;
    const wanted = new Set([0, ...this.asked]);
    this.asked.clear();
    const round = this.round;
    const fresh = new Map<number, RecordingLine[]>();
    for (const page of [...wanted].slice(-3)) await this.fetch(page, round, fresh);
    if (round === this.round && !this.failure) [this.pages, this.known] = [fresh, true];
  }

  /** The recordings of these places are about to be seen. Those that are only scrolled past are not asked for. */
  need(first: number, last: number): void {
    clearTimeout(this.later);
    this.later = setTimeout(() => this.ask(first, last), 40);
  }

  private ask(first: number, last: number): void {
    for (const page of pagesFor(first, last, this.total)) {
      if (!this.asked.has(page)) {
        const round = this.round;
        const fresh = new Map<number, RecordingLine[]>();
        void this.fetch(page, round, fresh).then(() => {
          if (round === this.round) this.pages = new Map([...this.pages, ...fresh]);
        });
      }
    }
  }

  /** The recording at this place of the list; none while its page has not come. */
  line(at: number): RecordingLine | null {
    return this.pages.get(Math.floor(at / pageSize))?.[at % pageSize] ?? null;
  }

  async rename(line: RecordingLine, title: string): Promise<void> {
    if (title.trim() === line.title) return;
    await this.doing({ describe: { id: line.recording, title: title.trim(), description: null, metadata: null } });
  }

  /** Into the trash, with a way back. */
  async trash(line: RecordingLine): Promise<void> {
    const done = await this.doing({ trash: { id: line.recording } });
    if (done) toasts.say(say().library.removed(titleOf(line)), [{ label: say().app.undo, run: () => void this.restore(line) }]);
  }

  async restore(line: RecordingLine): Promise<void> {
    if (await this.doing({ restore: { id: line.recording } })) toasts.say(say().library.restored(titleOf(line)));
  }

  /** For good. */
  async delete(line: RecordingLine): Promise<void> {
    try {
      const { bytes } = await answer({ delete: { id: line.recording } }, "deleted");
      toasts.say(say().library.deleted(format.bytes(bytes, locale())));
    } catch (thrown) {
      toasts.warn(problemOf(thrown).message);
    }
    await this.refresh();
  }

  /** All that lies in the trash, for good. Ends at the first that cannot be deleted. */
  async emptyTrash(): Promise<void> {
    let freed = 0;
    try {
      for (;;) {
        const { recordings } = await answer({ list: { text: "", order: "oldest", trashed: true, offset: 0, limit: pageSize } }, "recordings");
        if (recordings.length === 0) break;
        for (const { recording } of recordings) freed += (await answer({ delete: { id: recording } }, "deleted")).bytes;
      }
    } catch (thrown) {
      toasts.failed(thrown);
    }
    toasts.say(say().library.deleted(format.bytes(freed, locale())));
    await this.refresh();
  }

  private async doing(command: Parameters<typeof ask>[0]): Promise<boolean> {
    const done = await ask(command).then(() => true, (thrown) => {
      toasts.warn(problemOf(thrown).message);
      return false;
    });
    await this.refresh();
    return done;
  }

  private async fetch(page: number, round: number, into: Map<number, RecordingLine[]>): Promise<void> {
    this.asked.add(page);
    try {
      const found: Page = await answer({ list: { ...this.query, offset: page * pageSize, limit: pageSize } }, "recordings");
      if (round !== this.round) return;
      into.set(page, found.recordings);
      [this.total, this.bytes, this.failure] = [found.total, found.bytes, null];
    } catch (thrown) {
      this.asked.delete(page);
      if (round === this.round) this.failure = problemOf(thrown).message;
    }
  }
}
