/** The worker's entry: the page's calls to the keeper and the studio, and their news back. */
import { Keeper } from './keeper/keeper';
import type { Calls, FromWorker, ToWorker } from './messages';
import type { RequestHeaders } from './types';

/** What TypeScript's page library leaves out of a worker's global. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
}
const scope = globalThis as unknown as WorkerScope;

const asked = new Map<number, (headers: RequestHeaders | null) => void>();
let questions = 0;

function authorize(): Promise<RequestHeaders | null> {
  questions += 1;
  const id = questions;
  scope.postMessage({ news: 'authorize', id });
  return new Promise((resolve) => asked.set(id, resolve));
}

const opened = Keeper.open((news) => scope.postMessage(news), authorize);

type Answers = { [Name in keyof Calls]: (...args: Parameters<Calls[Name]>) => Promise<ReturnType<Calls[Name]>> | ReturnType<Calls[Name]> };

function answersOf(keeper: Keeper): Answers {
  const { studio } = keeper;
  return {
    hello: (settings) => keeper.hello(settings),
    owner: (owner) => keeper.setOwner(owner),
    begin: async (begin) => {
      const begun = await studio.begin(begin);
      if (begun.kind === 'begun') keeper.recordingBegan();
      else setTimeout(() => void keeper.watchOthers(), 0);
      return begun;
    },
    chunk: (chunk) => studio.chunk(chunk),
    rescue: (lost) => keeper.rescue(lost),
    part: (id, number, reason, mimeType) => studio.part(id, number, reason, mimeType),
    pause: (id) => studio.pause(id),
    resume: (id) => studio.resume(id),
    stop: async (id) => {
      const held = await studio.stop(id);
      return held === null ? null : keeper.view(held);
    },
    describe: (id, details) => keeper.describe(id, details),
    marks: (id, marks) => studio.marks(id, marks),
    list: () => keeper.list(),
    send: (id) => keeper.send(id),
    open: (id) => keeper.open(id),
    discard: (id) => keeper.discard(id),
    dismiss: (id) => keeper.dismiss(id),
    upload: (file, details) => keeper.upload(file, details),
    wake: () => keeper.wake(),
    callOther: () => keeper.callOther(),
  };
}

const answers = opened.then(answersOf);

async function answer(id: number, name: keyof Calls, args: readonly unknown[]): Promise<void> {
  try {
    const call = (await answers)[name] as (...args: readonly unknown[]) => unknown;
    scope.postMessage({ answer: id, result: await call(...args) });
  } catch (error) {
    const { name: kind, message } = error instanceof Error ? error : new Error(String(error));
    scope.postMessage({ answer: id, error: { name: kind, message } });
  }
}

scope.onmessage = ({ data }) => {
  if ('ping' in data) return scope.postMessage({ pong: true });
  if ('call' in data) {
    void answer(data.id, data.call, data.args);
    return;
  }
  asked.get(data.authorized)?.(data.headers);
  asked.delete(data.authorized);
};
