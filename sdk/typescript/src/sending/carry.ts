/** Carries one recording to the server, part by part, for as long as it takes. */
import { isMine, type Held } from '../keeper/held';
import { isSafe } from '../keeper/journal';
import type { Owner, Problem, RequestHeaders } from '../types';
import { Answer, meaningForBeginning, meaningForUpload, type Meaning, UNREACHABLE } from './answers';
import { backOff, BATCH_BYTES, BATCH_MS, Pace, READ_BYTES_MAX } from './pace';
import type { Gate } from './gate';
import { metadataOf } from './metadata';
import { PartSender, type Place, type Progress, type Source, Unsure } from './part';
import { tell } from './tell';

export interface World {
  readonly base: string;
  readonly gate: Gate;
  owner(): Owner | null;
  /** Headers of the one who is signed in; null when the page has nobody. */
  authorize(): Promise<RequestHeaders | null>;
  onSent(held: Held): void;
  onSafe(held: Held): void;
  onRefused(held: Held): void;
}

/** Long enough to ask nothing of the server in vain, short enough to notice a sign-in that nobody told of. */
const SIGN_IN_AGAIN_MS = 60_000;
const NEVER_MS = 2 ** 31 - 1;

const NOBODY: Problem = { code: 'UNAUTHENTICATED', message: 'Sign in to send this.', status: 401 };

/** Thrown to wait for somebody to sign in. */
class SignIn extends Error {}

/** Ends when the recording is safe or taken away; never throws. */
export async function carry(held: Held, world: World): Promise<void> {
  const carrier = new Carrier(held, world);
  await carrier.run();
}

class Carrier {
  private readonly senders = new Map<number, PartSender>();
  private readonly pace = new Pace();
  private failures = 0;
  private readonly refused = new Set<number>();
  private readonly unnumbered = new Set<number>();

  constructor(
    private readonly held: Held,
    private readonly world: World,
  ) {}

  private get signal(): AbortSignal {
    return this.held.stop.signal;
  }

  async run(): Promise<void> {
    while (!this.signal.aborted) {
      const { held } = this;
      if (!held.live && isSafe(held.entry)) {
        await this.finish();
        return;
      }
      await this.round();
    }
  }

  /** One request for the first part that is not safe, or one wait. A refused part does not hold up the others. */
  private async round(): Promise<void> {
    const { held } = this;
    const part = held.entry.parts.find(({ safe, number }) => !safe && !this.refused.has(number));
    if (part === undefined) return this.refused.size > 0 ? this.waitRefused() : held.more.wait(NEVER_MS);
    if (held.entry.kind === 'file' && held.picked === null) {
      held.show({ phase: 'needs-file', retryAt: null, speed: null });
      return held.again.wait(NEVER_MS);
    }
    const sender = this.senderOf(part.number);
    try {
      await this.waitForBatch(part.number, sender);
      if (this.signal.aborted || !held.has(part.number)) return;
      await this.went(part.number, await this.take(sender));
    } catch (error) {
      sender.forget();
      await this.stumble(error, part.number, sender, part.uploadUrl === null);
    }
  }

  /** What is being recorded waits for nobody. */
  private take(sender: PartSender): Promise<Progress> {
    const { held, signal } = this;
    const step = () => {
      held.show({ phase: 'sending', retryAt: null });
      return sender.step(signal);
    };
    return held.live ? step() : this.world.gate.pass(held.entry.startedAt, step);
  }

  /** While it is recorded, small requests are worth their trouble only now and then. */
  private async waitForBatch(number: number, sender: PartSender): Promise<void> {
    let since: number | null = null;
    while (!this.signal.aborted && !this.closed(number)) {
      const { waiting } = sender;
      if (waiting <= 0) since = null;
      else since ??= Date.now();
      const left = since === null ? NEVER_MS : since + BATCH_MS - Date.now();
      if (left <= 0 || waiting >= BATCH_BYTES) return;
      await this.held.more.wait(left);
    }
  }

  private closed(number: number): boolean {
    return this.held.entry.parts.find((part) => part.number === number)?.closed ?? true;
  }

  private async went(number: number, progress: Progress): Promise<void> {
    const { held, pace } = this;
    // Beginning alone proves little: what is begun again and again must slow down.
    if (progress !== 'begun') this.failures = 0;
    if (held.entry.problem !== null) await held.change({ problem: null }).catch(() => undefined);
    held.show({ speed: pace.speed, retryAt: null });
    this.world.onSent(held);
    if (progress !== 'safe') return;
    this.senders.delete(number);
    // What cannot be removed now goes with the entry.
    await held.removeBytes(number).catch(() => undefined);
  }

  private async finish(): Promise<void> {
    const { held } = this;
    held.picked = null;
    held.show({ phase: 'safe', speed: null, retryAt: null });
    this.world.onSafe(held);
    // Its name may have come after its bytes; they are safe whether this succeeds or not.
    await tell(held, this.world).catch(() => undefined);
  }

  private async stumble(error: unknown, number: number, sender: PartSender, beginning: boolean): Promise<void> {
    if (this.signal.aborted) return;
    if (error instanceof SignIn) return this.waitForSignIn();
    if (error instanceof Unsure) return this.later(UNREACHABLE, null);
    if (!(error instanceof Answer)) return this.unanswered(error, number);
    const meaning = beginning ? meaningForBeginning(error) : meaningForUpload(error);
    return this.act(meaning, error, number, sender);
  }

  private async act(meaning: Meaning, answer: Answer, number: number, sender: PartSender): Promise<void> {
    switch (meaning) {
      case 'look':
        // At once the first time; a server that contradicts itself is not run over.
        return this.later(answer.problem, answer.retryAfterMs ?? (this.failures === 0 ? 0 : null));
      case 'anew':
        await sender.anew();
        return this.later(answer.problem, this.failures === 0 ? 0 : null);
      case 'smaller':
        return this.pace.tooLarge() ? undefined : this.refuse(number, answer.problem);
      case 'last':
        this.unnumbered.add(number);
        return this.later(answer.problem, this.failures === 0 ? 0 : null);
      case 'sign-in':
        return this.waitForSignIn();
      case 'refused':
        return this.refuse(number, answer.problem);
      case 'later':
        return this.later(answer.problem, answer.retryAfterMs);
    }
  }

  /** No answer: the network, the server down, or bytes here that cannot be read. */
  private async unanswered(error: unknown, number: number): Promise<void> {
    const { held } = this;
    if (error instanceof TypeError || (error instanceof DOMException && error.name === 'AbortError')) {
      this.pace.failed();
      return this.later(UNREACHABLE, null);
    }
    if (held.entry.kind === 'file') {
      held.picked = null;
      return;
    }
    const why = error instanceof Error ? error.message : String(error);
    const message = `The copy on this device could not be read: ${why}`;
    return this.refuse(number, { code: 'LOCAL_COPY_DAMAGED', message, status: null });
  }

  private async later(problem: Problem, afterMs: number | null): Promise<void> {
    this.failures += 1;
    const wait = afterMs ?? backOff(this.failures);
    if (wait === 0) return;
    await this.held.change({ problem }).catch(() => undefined);
    this.held.show({ phase: 'waiting', retryAt: Date.now() + wait, speed: null });
    await this.held.again.wait(wait);
  }

  private async waitForSignIn(): Promise<void> {
    await this.held.change({ problem: NOBODY }).catch(() => undefined);
    this.held.show({ phase: 'needs-sign-in', retryAt: null, speed: null });
    await this.held.again.wait(SIGN_IN_AGAIN_MS);
  }

  private async refuse(number: number, problem: Problem): Promise<void> {
    this.refused.add(number);
    await this.held.change({ problem }).catch(() => undefined);
    this.held.show({ phase: 'refused', retryAt: null, speed: null });
    this.world.onRefused(this.held);
  }

  /** Until somebody says to try again; the copy here stays. */
  private async waitRefused(): Promise<void> {
    const { asked } = this.held;
    this.held.show({ phase: 'refused', retryAt: null, speed: null });
    while (!this.signal.aborted && this.held.asked === asked) await this.held.again.wait(NEVER_MS);
    this.refused.clear();
  }

  private senderOf(number: number): PartSender {
    const known = this.senders.get(number);
    if (known !== undefined) return known;
    const { held, world } = this;
    const server = { endpoint: `${world.base}/api/v1/uploads/tus`, authorize: () => this.authorize() };
    const metadata = (uploadKey: string) => ({
      ...metadataOf(held, number, !this.unnumbered.has(number)),
      upload_key: uploadKey,
    });
    const sender = new PartSender(sourceOf(held, number), placeOf(held, number), server, metadata, this.pace);
    this.senders.set(number, sender);
    return sender;
  }

  private async authorize(): Promise<RequestHeaders> {
    const headers = isMine(this.held.entry, this.world.owner()) ? await this.world.authorize() : null;
    if (headers === null) throw new SignIn();
    return headers;
  }
}

function sourceOf(held: Held, number: number): Source {
  return {
    get size() {
      return held.sizeOf(number);
    },
    get closed() {
      return held.part(number).closed;
    },
    async read(offset, length) {
      if (held.picked !== null) return held.picked.slice(offset, offset + length);
      const file = held.files.get(number) ?? (await held.open(number));
      return (await file.read(offset, Math.min(length, READ_BYTES_MAX))) as Uint8Array<ArrayBuffer>;
    },
  };
}

function placeOf(held: Held, number: number): Place {
  return {
    get uploadKey() {
      // What an older version of this module remembered has none.
      return held.part(number).uploadKey ?? null;
    },
    get uploadUrl() {
      return held.part(number).uploadUrl;
    },
    get ackedBytes() {
      return held.part(number).ackedBytes;
    },
    get safe() {
      return held.part(number).safe;
    },
    remember: (changes) => {
      // What the request carried is what the server now knows.
      if (changes.uploadUrl) held.entry = { ...held.entry, told: held.entry.told ?? held.entry.details };
      // Sending goes on where the journal cannot be written: at worst it begins anew after a crash.
      return held.changePart(number, changes).catch(() => undefined);
    },
  };
}
