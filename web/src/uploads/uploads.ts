/** Picked files on their way to the server: lives above the router, so that going to another page stops nothing. */
import type { ReelkeepClient } from '@reelkeep/client';

import { fileSize } from '@/format/bytes';
import { t } from '@/messages';
import { deviceClient } from '@/record/device';
import { discard } from '@/record/discard';

import { isUnsafe, notTaken, type Problem, type Upload, uploadOf } from './state';

const NAME_CHARACTERS_MAX = 255;

export class Uploads {
  private all: readonly Upload[] = [];
  /** What was not taken, and so is known to this page alone. */
  private notTaken: readonly Upload[] = [];
  /** What this page has the file of: closing it would stop them. */
  private readonly ours = new Set<string>();
  private readonly listeners = new Set<() => void>();
  private client: ReelkeepClient | null = null;
  maxFileSize: number | null = null;
  onFailed: (upload: Upload) => void = () => undefined;

  /** Called when somebody is signed in who may upload. */
  start(): void {
    if (this.client !== null) return;
    this.client = deviceClient();
    this.client.subscribe(() => this.show());
    this.client.on('refused', (one) => {
      if (one.kind === 'file') this.onFailed(uploadOf(one));
    });
    window.addEventListener('beforeunload', (event) => {
      if (this.all.some((upload) => this.ours.has(upload.id) && isUnsafe(upload))) event.preventDefault();
    });
    this.show();
  }

  subscribe = (listener: () => void) => {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  };

  snapshot = () => this.all;

  async add(files: readonly File[]): Promise<void> {
    for (const file of files) {
      const problem = this.refuse(file) ?? (await this.send(file));
      if (problem) this.tell(file, problem);
    }
  }

  /** The person chose the file of an interrupted upload again; false when it is another one. */
  async resume(upload: Upload, file: File): Promise<boolean> {
    if (upload.name !== file.name || upload.size !== file.size) return false;
    const problem = await this.send(file);
    if (problem) this.tell(file, problem);
    // It was changed since, and is sent from its beginning: the former one cannot be gone on with.
    else if (!this.ours.has(upload.id)) await discard(upload.id);
    return true;
  }

  retry(id: string): void {
    void this.client?.sendUnsent(id);
  }

  cancel(id: string): void {
    if (!this.forget(id)) void discard(id);
  }

  dismiss(id: string): void {
    if (!this.forget(id)) void this.client?.dismiss(id);
  }

  clearSafe(): void {
    this.all.filter((upload) => upload.phase === 'safe').forEach((upload) => this.dismiss(upload.id));
  }

  private refuse(file: File): Problem | null {
    if (file.size === 0) return { message: t.uploads.empty, code: 'UPLOAD_EMPTY' };
    if (this.maxFileSize !== null && file.size > this.maxFileSize) {
      const message = t.uploads.tooLarge(fileSize(file.size), fileSize(this.maxFileSize));
      return { message, code: 'UPLOAD_TOO_LARGE' };
    }
    return null;
  }

  private async send(file: File): Promise<Problem | null> {
    try {
      const { id } = await deviceClient().createUpload(file, { filename: file.name.slice(-NAME_CHARACTERS_MAX) });
      this.ours.add(id);
      return null;
    } catch {
      return { message: t.uploads.gone, code: 'FILE_GONE' };
    }
  }

  private tell(file: File, problem: Problem): void {
    const upload = notTaken(`here-${Date.now()}-${file.name}`, file, problem);
    this.notTaken = [...this.notTaken.filter(({ id }) => id !== upload.id), upload];
    this.onFailed(upload);
    this.show();
  }

  private forget(id: string): boolean {
    const rest = this.notTaken.filter((upload) => upload.id !== id);
    if (rest.length === this.notTaken.length) return false;
    this.notTaken = rest;
    this.show();
    return true;
  }

  /** In the order in which they were added. */
  private show(): void {
    const held = (this.client?.unsent() ?? []).filter((one) => one.kind === 'file' && one.mine);
    const oldestFirst = [...held].sort((one, other) => one.startedAt - other.startedAt);
    this.all = [...oldestFirst.map(uploadOf), ...this.notTaken];
    this.listeners.forEach((listener) => listener());
  }
}
