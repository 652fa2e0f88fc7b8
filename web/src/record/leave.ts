/** What this device has to forget before somebody leaves it; apart, so that leaving does not load the recorder. */

const PATIENCE_MS = 3000;
let forget: (() => Promise<void>) | null = null;

export function onLeaving(work: () => Promise<void>): void {
  forget = work;
}

/** Never keeps anybody: what could not be forgotten now is encrypted where that matters. */
export async function leaveDevice(): Promise<void> {
  await Promise.race([forget?.(), new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]).catch(() => undefined);
}
