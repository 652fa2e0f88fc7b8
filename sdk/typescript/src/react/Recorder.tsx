/** A plain recorder: everything works, nothing is styled. Class names begin with `reelkeep-`. */
import { useEffect, useRef } from 'react';

import type { Recorder as RecorderHandle, RecorderOptions, RecorderSnapshot, ReelkeepClient } from '../types';
import { useRecorder } from './hooks';
import { clock, english, type Words } from './words';

export interface RecorderProps {
  readonly client: ReelkeepClient;
  readonly options?: RecorderOptions;
  readonly words?: Words;
}

interface Inside {
  readonly recorder: RecorderHandle;
  readonly snapshot: RecorderSnapshot;
  readonly words: Words;
}

export function Recorder({ client, options, words = english }: RecorderProps) {
  const inside = { ...useRecorder(client, options), words };
  const { snapshot } = inside;
  return (
    <section className="reelkeep-recorder" data-state={snapshot.state}>
      <p role="status" className="reelkeep-state">
        {words.state(snapshot)} <time>{clock(snapshot.seconds)}</time>
      </p>
      {words.warnings(snapshot).map((warning) => (
        <p key={warning} role="alert" className="reelkeep-warning">
          {warning}
        </p>
      ))}
      <Meter {...inside} />
      <Controls {...inside} client={client} />
      <Microphones {...inside} />
    </section>
  );
}

function Controls({ recorder, snapshot, words, client }: Inside & { client: ReelkeepClient }) {
  switch (snapshot.state) {
    case 'idle':
    case 'asking':
    case 'ready':
      return (
        <button type="button" disabled={!snapshot.canRecord || snapshot.state === 'asking'} onClick={() => void recorder.start()}>
          {words.start}
        </button>
      );
    case 'recording':
    case 'paused':
    case 'stopping':
      return <WhileRecording recorder={recorder} snapshot={snapshot} words={words} />;
    default:
      return <Afterwards recorder={recorder} snapshot={snapshot} words={words} client={client} />;
  }
}

function WhileRecording({ recorder, snapshot, words }: Inside) {
  const { state } = snapshot;
  const stopping = state === 'stopping';
  return (
    <div className="reelkeep-controls">
      <p>{words.kept(snapshot)}</p>
      <button type="button" disabled={stopping} onClick={() => recorder.mark()}>
        {words.mark}
      </button>
      <button type="button" disabled={stopping} onClick={() => (state === 'paused' ? recorder.resume() : recorder.pause())}>
        {state === 'paused' ? words.resume : words.pause}
      </button>
      <button type="button" disabled={stopping} onClick={() => void recorder.stop()}>
        {words.stop}
      </button>
    </div>
  );
}

function Afterwards({ recorder, snapshot, words, client }: Inside & { client: ReelkeepClient }) {
  const { unsent, id } = snapshot;
  return (
    <div className="reelkeep-controls">
      {unsent && (
        <>
          <p>{words.phase(unsent)}</p>
          <progress value={unsent.progress} aria-label={words.phase(unsent)} />
        </>
      )}
      {snapshot.state !== 'safe' && id !== null && (
        <>
          <button type="button" onClick={() => void client.sendUnsent(id)}>
            {words.send}
          </button>
          <button type="button" onClick={() => void client.saveAs(id)}>
            {words.saveAs}
          </button>
        </>
      )}
      <button type="button" onClick={() => void recorder.goOn()}>
        {words.goOn}
      </button>
      <button type="button" onClick={() => recorder.again()}>
        {words.again}
      </button>
    </div>
  );
}

function Meter({ recorder, snapshot, words }: Inside) {
  const bar = useRef<HTMLMeterElement>(null);
  useEffect(
    () =>
      recorder.onLevel(({ rms }) => {
        if (bar.current) bar.current.value = rms;
      }),
    [recorder],
  );
  return <meter ref={bar} className="reelkeep-level" min={-60} max={0} data-hearing={snapshot.hearing} aria-label={words.level} />;
}

function Microphones({ recorder, snapshot, words }: Inside) {
  const { microphones } = snapshot;
  return (
    <label>
      {words.microphone}{' '}
      <select
        value={microphones.find(({ chosen }) => chosen)?.deviceId ?? ''}
        onChange={({ currentTarget }) => {
          const one = microphones.find(({ deviceId }) => deviceId === currentTarget.value);
          if (one) void recorder.choose(one);
        }}
      >
        {microphones.map((one) => (
          <option key={one.deviceId} value={one.deviceId}>
            {one.isDefault ? words.systemDefault : one.label}
          </option>
        ))}
      </select>
    </label>
  );
}
