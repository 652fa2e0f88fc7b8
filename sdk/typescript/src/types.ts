/**
 * The contract of `@reelkeep/client`: everything here is what other code may rely on.
 *
 * One `ReelkeepClient` a page (made by `createClient`), above the router. It owns one worker, which writes to
 * disk, watches the clock and sends. A recording's way, in one fixed vocabulary:
 * on this device → sending → safe on the server. "Safe" is said only after the server has sealed the bytes,
 * and only then does the copy on the device go.
 */

// ---------------------------------------------------------------- the client

export interface ClientOptions {
  /** Where Reelkeep is, without a slash at the end; empty for the page's own origin. */
  readonly baseUrl?: string;
  /**
   * Headers for a request that needs a sign-in (starting an upload, naming a recording), asked for each time:
   * `{ 'X-CSRF-Token': … }` beside the cookie, or `{ Authorization: 'Bearer …' }`.
   */
  readonly authorize: () => RequestHeaders | Promise<RequestHeaders>;
  /** Who is signed in, or null. What is unsent goes up only while its own owner is signed in. */
  readonly owner: Owner | null;
  /** Makes the worker, for a page whose bundler or policy wants it its own way; once more when it has died. */
  readonly worker?: () => Worker;
  /** Send by itself what this device still holds; default true. */
  readonly sendUnsent?: boolean;
}

export type RequestHeaders = Readonly<Record<string, string>>;

export interface Owner {
  readonly userId: string;
  readonly organizationId: string;
  /** Shown to others at this device: "Belongs to M. Lee". */
  readonly userName?: string;
  /**
   * The organization's policy (`policies.shared_computers` of `GET /api/v1/auth/me`): others use this computer too.
   * What is kept on it is encrypted then, sound and words, and offered to its owner alone. Default false.
   */
  readonly sharedComputer?: boolean;
  /**
   * `recorder_secret` of `GET /api/v1/auth/me`: mixed into the key of what is kept encrypted, and never written
   * to this device. Always the same for the same owner; without the one that it was begun with, or with another,
   * what is kept encrypted cannot be read.
   */
  readonly secret?: string;
}

export interface ReelkeepClient {
  /**
   * Somebody signed in or out; sending goes on, or stops, accordingly. Done when whatever of the one before was
   * encrypted and is safe has been forgotten here.
   */
  setOwner(owner: Owner | null): Promise<void>;
  /** One at a time is enough: a stopped one becomes ready for the next recording by `again()`. */
  createRecorder(options?: RecorderOptions): Recorder;

  /** What this device still holds, newest first: recordings and picked files, of every owner. */
  listUnsent(): Promise<readonly UnsentRecording[]>;
  /** The same as last known, for `useSyncExternalStore` with `subscribe`: a new array after each change. */
  readonly unsent: () => readonly UnsentRecording[];
  /** Called after every change of `unsent()`; returns the way to end it. */
  readonly subscribe: (listener: () => void) => () => void;
  /** False until the device's journal has been read once. */
  readonly loaded: () => boolean;
  /** Send now, also what was refused before: one recording, or all of this owner. */
  sendUnsent(id?: string): Promise<void>;

  /** The sound as it lies on this device, one blob a part, to listen to. */
  openLocal(id: string): Promise<readonly Blob[]>;
  /** Hand the parts to the browser's downloads. */
  saveAs(id: string, filename?: string): Promise<void>;
  /** Give what is unsent a name or other particulars; they reach the server with the bytes, or after them. */
  describe(id: string, details: RecordingDetails): Promise<void>;
  /** Throw away what is not safe yet: here, and the begun upload there. The caller has asked the person. */
  discard(id: string): Promise<void>;
  /** Forget an entry that is safe, and so take it from the list at once. */
  dismiss(id: string): Promise<void>;

  /** Bring in a picked file. The same file chosen again later goes on where it stopped, also after a reload. */
  createUpload(file: File, details?: RecordingDetails): Promise<Upload>;

  on<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => void): () => void;
  /** Ends the worker; what is on disk stays. */
  close(): void;
}

export interface ClientEvents {
  /** The server has sealed it; `recordingIds` are the server's, one a part. */
  readonly safe: UnsentRecording;
  /** It was refused, or cannot be sent: `problem` says why. */
  readonly refused: UnsentRecording;
  /** A begun recording was found whose page had closed. Once a recording, after the journal is read. */
  readonly found: UnsentRecording;
  /** Another tab asks the recording one to show itself (`Recorder.callOtherTab`). */
  readonly called: undefined;
}

/** What a recording is called and about; all of it may come later. */
export interface RecordingDetails {
  readonly title?: string;
  readonly filename?: string;
  readonly recordingType?: string;
  readonly appointmentId?: string;
  readonly visitId?: string;
  /** The host application's own id of the event that this is a part of; the parts of one session read as one. */
  readonly sessionId?: string;
  /** Default true. */
  readonly transcribe?: boolean;
  /** Free fields of the host application, kept with the recording. */
  readonly metadata?: Readonly<Record<string, unknown>>;
}

// ---------------------------------------------------------------- the recorder

export type RecorderState =
  | 'idle'
  /** The browser is asking the person for the microphone. */
  | 'asking'
  /** The microphone is open and heard, nothing is kept. */
  | 'ready'
  | 'recording'
  | 'paused'
  /** The last bytes are being written to disk. */
  | 'stopping'
  /** On this device, and not on its way now (offline, signed out, refused: see `unsent`). */
  | 'unsent'
  | 'sending'
  | 'safe';

export type Quality = 'speech' | 'high';

export interface RecorderOptions {
  readonly quality?: Quality;
  /** The browser's echo, noise and gain processing; default false, as it spoils rooms. */
  readonly cleanUp?: boolean;
  readonly details?: RecordingDetails;
  /** The microphone to begin with; without it, the one chosen last on this device. */
  readonly device?: DeviceChoice;
  /** Another stream than a microphone's (a shared tab, Web Audio). Then device choice does not apply. */
  readonly stream?: () => Promise<MediaStream>;
}

export interface DeviceChoice {
  readonly deviceId: string;
  readonly label: string;
}

/** A microphone to choose from; `deviceId` is empty for the system's default. */
export interface Microphone extends DeviceChoice {
  readonly isDefault: boolean;
  readonly chosen: boolean;
  /** The one that is open now, which may be another than the chosen one. */
  readonly active: boolean;
}

export interface Recorder {
  readonly subscribe: (listener: () => void) => () => void;
  /** Immutable; a new object after each change (at most about four a second while recording). */
  readonly getSnapshot: () => RecorderSnapshot;

  /** Ask for the microphone and show its level. Only on a press. */
  prepare(): Promise<void>;
  /** Start; asks for the microphone first if need be. */
  start(): Promise<void>;
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
  /** "Undo" of a stop, or going on after an interruption: a next part of the same recording. */
  goOn(): Promise<void>;
  /** From unsent, sending or safe: ready for another recording. What was recorded goes on being sent. */
  again(): void;
  /** Let the microphone go, when nothing is being recorded. */
  release(): void;

  choose(device: DeviceChoice): Promise<void>;
  setQuality(quality: Quality): void;
  setCleanUp(on: boolean): Promise<void>;
  /** Look for microphones and permission again (on focus, after the person changed a setting). */
  recheck(): Promise<void>;
  /** Record three seconds and give them back, to be played: "Test: say something". */
  test(): Promise<Blob>;

  mark(name?: string): void;
  removeMark(id: string): void;
  describe(details: RecordingDetails): void;
  /** A sentence why recording is not allowed now (consent), or null. */
  setBlocked(reason: string | null): void;
  /** The person has read the notice of a gap or a seam. */
  acknowledge(side: 'interrupted' | 'stalled' | 'moved'): void;
  /** Ask the tab that records to show itself. */
  callOtherTab(): void;

  /** The live level, about 30 a second while the microphone is open; never through React state. */
  onLevel(listener: (level: Level) => void): () => void;
  /** Stops what runs (keeping what was recorded) and lets everything go. */
  dispose(): Promise<void>;
}

export interface RecorderSnapshot {
  readonly state: RecorderState;
  readonly sides: SideStates;
  /** The local id of the recording, as in `UnsentRecording.id`; null before the first start. */
  readonly id: string | null;
  readonly startedAt: number | null;
  /** Seconds of sound that are written, by the media's own clock where the format lets us read it. */
  readonly seconds: number;
  readonly bytes: number;
  /** Seconds of sound that the server has. */
  readonly sentSeconds: number;
  readonly sentBytes: number;
  /** When the present pause began (milliseconds since 1970). */
  readonly pausedAt: number | null;
  readonly marks: readonly Mark[];
  readonly gaps: readonly Gap[];
  readonly seams: readonly Seam[];
  readonly parts: number;
  /** What the recorder really makes, e.g. `audio/webm;codecs=opus`; empty before the first chunk. */
  readonly mimeType: string;
  readonly quality: Quality;
  readonly bitsPerSecond: number;
  readonly megabytesPerHour: number;
  readonly cleanUp: boolean;
  readonly microphones: readonly Microphone[];
  /** The label of the microphone that is open, or "Default microphone". */
  readonly microphone: string;
  readonly hearing: Hearing;
  readonly keptIn: KeptIn | null;
  /** What is kept of it on this device is encrypted. */
  readonly encrypted: boolean;
  readonly screen: ScreenLock;
  readonly canRecord: boolean;
  /** The unsent entry of this recording, once stopped: its phase, problem and progress. */
  readonly unsent: UnsentRecording | null;
  /** Something failed that has no side state of its own; a sentence. */
  readonly failure: string | null;
}

/** Null, or false: not so. Several may hold at once. */
export interface SideStates {
  /** The browser, or the person, said no; `where` helps to say how to undo it. */
  readonly denied: { readonly where: 'browser' | 'system' | 'unknown' } | null;
  readonly noDevice: boolean;
  readonly blocked: { readonly reason: string } | null;
  readonly insecureContext: boolean;
  /** This browser has no recorder at all. */
  readonly unsupported: boolean;
  /** The microphone was not heard for a while (a call, sleep); the last such gap, until acknowledged. */
  readonly interrupted: Gap | null;
  /** The track is muted by the system now; `goOn()` takes a fresh microphone. */
  readonly mutedBySystem: boolean;
  /** Below −60 dBFS for 8 s. */
  readonly silent: { readonly microphone: string } | null;
  /** The recorder had stopped giving data and was restarted; until acknowledged. */
  readonly stalled: Seam | null;
  /** Another microphone took over, by us or by the system; until acknowledged. */
  readonly moved: { readonly from: string; readonly to: string } | null;
  readonly diskLow: { readonly minutesLeft: number } | null;
  /** Not kept on disk: the page must stay open. */
  readonly memoryOnly: boolean;
  /** Another tab of this browser records now. */
  readonly otherTab: boolean;
  /** `navigator.onLine` is false. */
  readonly offline: boolean;
}

export interface Mark {
  readonly id: string;
  /** Seconds into the recording, over all its parts. */
  readonly at: number;
  readonly name: string;
}

/** Time that passed and was not recorded, found by comparing the clock with the media. */
export interface Gap {
  /** Seconds into the recording. */
  readonly at: number;
  /** How long, in seconds. */
  readonly seconds: number;
  /** The clock: milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
}

/** Where a new part begins. */
export interface Seam {
  readonly at: number;
  readonly part: number;
  readonly reason: 'stalled' | 'device-ended' | 'device-chosen' | 'muted' | 'went-on' | 'recorder-error' | 'worker-ended';
  readonly when: number;
}

export interface Level {
  /** Root mean square and held peak, in dBFS: −100 to 0. */
  readonly rms: number;
  readonly peak: number;
}

export type Hearing = 'good' | 'quiet' | 'too-loud' | 'nothing' | 'unknown';
export type KeptIn = 'disk' | 'database' | 'memory';
export type ScreenLock = 'kept-on' | 'refused' | 'unsupported' | 'off';

// ---------------------------------------------------------------- what is unsent

export type UnsentPhase =
  /** Being recorded, in this tab or another. */
  | 'recording'
  /** On this device, nothing under way. */
  | 'on-device'
  | 'sending'
  /** Will be tried again at `retryAt`, and at once when the network comes back. */
  | 'waiting'
  /** Its owner has to sign in. */
  | 'needs-sign-in'
  /** A picked file that the page lost: choose it again to go on. */
  | 'needs-file'
  /** The server will not have it; kept here. `saveAs`, or `sendUnsent` after the cause is gone. */
  | 'refused'
  | 'safe';

export interface UnsentRecording {
  readonly id: string;
  readonly kind: 'recording' | 'file';
  readonly title: string | null;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  /** Null for a file. */
  readonly seconds: number | null;
  readonly bytes: number;
  readonly sentBytes: number;
  /** 0 to 1. */
  readonly progress: number;
  /** Bytes a second over the last requests, or null while not known. */
  readonly speed: number | null;
  readonly mimeType: string;
  readonly filename: string;
  readonly parts: number;
  readonly marks: readonly Mark[];
  readonly gaps: readonly Gap[];
  readonly owner: Owner | null;
  /** Whether the one who is signed in is its owner. */
  readonly mine: boolean;
  /** The page that recorded it closed or crashed. */
  readonly foundAfterClose: boolean;
  readonly keptIn: KeptIn;
  /** What is kept of it on this device is encrypted: its words, and its sound, are its owner's alone. */
  readonly encrypted: boolean;
  readonly phase: UnsentPhase;
  readonly problem: Problem | null;
  readonly retryAt: number | null;
  /** The server's ids, one a part, as far as known. */
  readonly recordingIds: readonly string[];
}

export interface Problem {
  /** The server's `error_code`, or one of ours: OFFLINE, UNREACHABLE, LOCAL_COPY_DAMAGED, LOCAL_KEY_LOST, FILE_CHANGED. */
  readonly code: string;
  readonly message: string;
  readonly status: number | null;
}

/** A picked file on its way; the same entry as in `unsent()`. */
export interface Upload {
  readonly id: string;
  /** Where it was taken up again; 0 for a new one. */
  readonly resumedAt: number;
  /** When the server has sealed it; refused when it will not have it, or when it is discarded. */
  readonly done: Promise<UnsentRecording>;
}

// ---------------------------------------------------------------- on disk

/** One recording as the device remembers it. What a part's file holds is told by the file alone. */
export interface JournalEntry {
  readonly id: string;
  readonly kind: 'recording' | 'file';
  readonly version: 1;
  readonly startedAt: number;
  /** Null while it is being recorded, and for ever if the page closed. */
  readonly stoppedAt: number | null;
  readonly mimeType: string;
  readonly details: RecordingDetails;
  readonly owner: Owner | null;
  readonly keptIn: KeptIn;
  /** Encrypted, under the key of this name in this browser; null: not. */
  readonly keyId: string | null;
  /** Never written. Encrypted, and closed here: to whoever is signed in, or for good. */
  readonly locked?: 'other' | 'lost';
  readonly parts: readonly JournalPart[];
  readonly marks: readonly Mark[];
  readonly gaps: readonly Gap[];
  readonly seams: readonly Seam[];
  readonly problem: Problem | null;
  /** For a picked file: name, size, time of change and first bytes. */
  readonly fingerprint: string | null;
  /** The particulars that the server has been told. */
  readonly told: RecordingDetails | null;
}

export interface JournalPart {
  readonly number: number;
  readonly mimeType: string;
  readonly startedAt: number;
  /** The media's own length as far as written. */
  readonly seconds: number;
  /** As last flushed; only a hint, the file itself is asked. */
  readonly bytes: number;
  /** Of those, so many were on disk when it was last written. */
  readonly durable: number;
  /** Its file is encrypted. */
  readonly encrypted: boolean;
  /** Nothing will be added. */
  readonly closed: boolean;
  /** This device's own name of the upload, kept before the server is asked: asked again, it is the same one. */
  readonly uploadKey: string | null;
  readonly uploadUrl: string | null;
  readonly recordingId: string | null;
  readonly ackedBytes: number;
  readonly safe: boolean;
}
