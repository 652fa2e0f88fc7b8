/** The open microphone of a recorder: opening, watching, changing and letting go of it. */
import type { DeviceChoice, Microphone } from '../types';
import { another, constraintsFor, isGone, microphonesFrom, refusalOf, remember, remembered, sameNamed } from './devices';
import { DEFAULT_LABEL, type RecorderEvent } from './state';

/** A mute shorter than this is a hiccup of the system's; a new part within a second of a longer one. */
const MUTE_MS = 700;

export interface InputEvents {
  dispatch(event: RecorderEvent): void;
  /** The track ended, or was muted and another microphone is there. */
  onLost(reason: 'device-ended' | 'muted', instead: DeviceChoice | null): void;
  onStream(stream: MediaStream): void;
  /** A microphone came or went, or the page is looked at again. */
  onBack(): void;
}

export class Input {
  stream: MediaStream | null = null;
  private active: DeviceChoice | null = null;
  private microphones: readonly Microphone[] = [];
  private readonly unlisten = new AbortController();
  chosen: DeviceChoice | null;

  constructor(
    private readonly events: InputEvents,
    private readonly source: (() => Promise<MediaStream>) | null,
    device: DeviceChoice | null,
    public cleanUp: boolean,
  ) {
    this.chosen = device ?? remembered();
    const { signal } = this.unlisten;
    (navigator.mediaDevices as MediaDevices | undefined)?.addEventListener('devicechange', () => void this.changed(), { signal });
    document.addEventListener('visibilitychange', () => this.seen(), { signal });
    void this.watchPermission();
  }

  get track(): MediaStreamTrack | null {
    return this.stream?.getAudioTracks()[0] ?? null;
  }

  get usable(): boolean {
    return this.track?.readyState === 'live' && !this.track.muted;
  }

  /** Null, and told why, when it cannot be had. The former one is not let go of. */
  async open(device: DeviceChoice | null = this.chosen): Promise<MediaStream | null> {
    try {
      const stream = await (this.source?.() ?? this.ask(device));
      this.take(stream);
      await this.list();
      this.tellOther(device);
      return stream;
    } catch (error) {
      this.events.dispatch({ kind: 'refused', why: refusalOf(error) });
      await this.list();
      return null;
    }
  }

  /** The microphone asked for; under its name, should its id have changed; else whichever there is. */
  private async ask(device: DeviceChoice | null): Promise<MediaStream> {
    const { mediaDevices } = navigator;
    try {
      return await mediaDevices.getUserMedia(constraintsFor(device, this.cleanUp));
    } catch (error) {
      if (device === null || !isGone(error)) throw error;
      const renamed = sameNamed(await mediaDevices.enumerateDevices(), device);
      return mediaDevices.getUserMedia(constraintsFor(renamed, this.cleanUp));
    }
  }

  private tellOther(device: DeviceChoice | null): void {
    const { track } = this;
    if (device === null || device.label === '' || track === null || track.label === '' || track.label === device.label) return;
    this.events.dispatch({ kind: 'moved', from: device.label, to: track.label });
  }

  choose(device: DeviceChoice): void {
    this.chosen = device;
    remember(device);
    void this.list();
  }

  release(): void {
    const { stream } = this;
    this.stream = this.active = null;
    stop(stream);
  }

  end(): void {
    this.unlisten.abort();
    this.release();
  }

  async list(): Promise<void> {
    const devices = await (navigator.mediaDevices as MediaDevices | undefined)?.enumerateDevices().catch(() => []);
    this.microphones = microphonesFrom(devices ?? [], this.chosen, this.active);
    this.events.dispatch({ kind: 'microphones', list: this.microphones });
  }

  private take(stream: MediaStream): void {
    this.stream = stream;
    const { track } = this;
    if (track === null) throw new DOMException('There is no sound in this stream.', 'NotFoundError');
    this.active = { deviceId: track.getSettings().deviceId ?? '', label: track.label };
    this.events.dispatch({ kind: 'opened', microphone: track.label || DEFAULT_LABEL });
    this.events.onStream(stream);
    track.onended = () => {
      if (this.track === track) this.events.onLost('device-ended', null);
    };
    track.onmute = () => setTimeout(() => this.muted(track), MUTE_MS);
    track.onunmute = () => this.events.dispatch({ kind: 'muted', on: false });
    track.addEventListener('configurationchange', () => this.relabel());
  }

  private muted(track: MediaStreamTrack): void {
    if (this.track !== track || !track.muted) return;
    const instead = another(this.microphones, this.active ?? { deviceId: '', label: '' });
    this.events.dispatch({ kind: 'muted', on: true });
    if (instead !== undefined) this.events.onLost('muted', instead);
  }

  private async changed(): Promise<void> {
    await this.list();
    this.relabel();
    this.events.onBack();
  }

  /** WebKit moves an open track to the system's new microphone by itself. */
  private relabel(): void {
    const { track, active } = this;
    if (track === null || active === null || track.label === '' || track.label === active.label) return;
    this.events.dispatch({ kind: 'moved', from: active.label || DEFAULT_LABEL, to: track.label });
    this.active = { deviceId: track.getSettings().deviceId ?? '', label: track.label };
    void this.list();
  }

  private seen(): void {
    if (document.visibilityState === 'visible') this.events.onBack();
  }

  private async watchPermission(): Promise<void> {
    await this.list();
    try {
      const status = await navigator.permissions.query({ name: 'microphone' });
      const tell = () =>
        this.events.dispatch(
          status.state === 'denied' ? { kind: 'refused', why: { kind: 'denied', where: 'browser' } } : { kind: 'permitted' },
        );
      if (status.state === 'denied') tell();
      status.addEventListener('change', tell, { signal: this.unlisten.signal });
    } catch {
      // Older browsers do not tell; asking will.
    }
  }
}

export function stop(stream: MediaStream | null): void {
  for (const track of stream?.getTracks() ?? []) {
    track.onended = track.onmute = track.onunmute = null;
    track.stop();
  }
}
