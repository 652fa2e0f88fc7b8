/** Recordings in every state, for the gallery alone. */
import type { Engines, Me, RecordingDetail, Step, Transcript } from '@/api/types';

const NOW = '2026-11-20T09:12:00Z';
const LATER = '2026-11-20T09:12:48Z';

export const me: Me = {
  user: { id: 'u1', email: 'ada@example.org', name: 'Ada Lee' },
  organization: { id: 'o1', name: 'Hill Street Vets' },
  role: 'admin',
  permissions: ['recordings.read', 'recordings.write', 'recordings.delete', 'members.manage', 'policies.manage', 'storage.read'],
  policies: { shared_computers: false },
  recorder_secret: 'c2VjcmV0',
  csrf_token: 'x',
};

export const viewer: Me = { ...me, role: 'viewer', permissions: ['recordings.read'] };

export const engines: Engines = {
  chosen: 'pocketsphinx',
  why: 'No better engine is ready.',
  engines: [
    {
      name: 'faster-whisper',
      quality: 'best',
      languages: [],
      ready: false,
      model: null,
      device: null,
      reason: 'There is no model.',
      fix: 'put a Whisper model into the folder that REELKEEP_WHISPER_MODEL names.',
    },
    {
      name: 'pocketsphinx',
      quality: 'basic',
      languages: ['en'],
      ready: true,
      model: 'en-us',
      device: 'cpu',
      reason: null,
      fix: null,
    },
  ],
};

export function step(kind: Step['kind'], change: Partial<Step> = {}): Step {
  return {
    kind,
    state: 'done',
    attempts: 1,
    progress: null,
    error_code: null,
    error_message: null,
    warnings: [],
    queued_at: NOW,
    started_at: NOW,
    finished_at: LATER,
    ...change,
  };
}

const waiting: Partial<Step> = { state: 'todo', attempts: 0, started_at: null, finished_at: null };
const wave = Array.from({ length: 64 }, (_, index) => Math.round(20 + 70 * Math.abs(Math.sin(index / 4))));

export function recording(change: Partial<RecordingDetail> = {}): RecordingDetail {
  return {
    id: 'done',
    title: 'Rex check-up',
    recording_type: 'recording',
    appointment_id: null,
    visit_id: null,
    recorded_by_user_id: null,
    duplicate_of: null,
    session_id: null,
    session_external_id: null,
    part_number: null,
    status: 'transcribed',
    progress: null,
    filename: 'rex.m4a',
    original_filename: 'rex.m4a',
    mime_type: 'audio/mp4',
    client_encrypted: false,
    held: false,
    holds: [],
    original_removed: false,
    media_kept: true,
    media_state: 'available',
    original_state: 'available',
    file_size_bytes: 4_200_000,
    duration_seconds: 1864,
    processing_error: null,
    error_code: null,
    waveform: wave,
    recording_metadata: {},
    is_deleted: false,
    deleted_at: null,
    created_at: NOW,
    updated_at: NOW,
    uploaded_at: NOW,
    processed_at: NOW,
    s3_bucket: 'local',
    s3_key: 'blobs/1',
    sha256: 'ab'.repeat(32),
    transcript_text: null,
    transcript_confidence: 0.93,
    transcript_language: 'en',
    transcription_service: 'faster-whisper',
    processing_started_at: NOW,
    processing_completed_at: LATER,
    playback_ready: true,
    peaks_ready: true,
    transcript_ready: true,
    warnings: [],
    steps: [step('probe'), step('playback'), step('peaks'), step('transcribe')],
    ...change,
  };
}

const wordless = { transcript_ready: false, transcript_language: null, transcript_confidence: null };
const soundless = { ...wordless, playback_ready: false, peaks_ready: false, waveform: [], duration_seconds: null };
const noModel = 'The speech engine stopped three times on this recording. Try again, or choose another engine.';
const noSound = 'This file is not sound or video that can be read: it is a text document.';

export const states: Readonly<Record<string, RecordingDetail>> = {
  'Encrypted by its app': recording({
    id: 'encrypted',
    title: 'Visit of 12 May',
    status: 'processed',
    client_encrypted: true,
    media_state: null,
    steps: [],
    ...soundless,
  }),
  'Sound not kept': recording({
    id: 'unkept',
    media_kept: false,
    original_removed: true,
    media_state: null,
    original_state: null,
    playback_ready: false,
    peaks_ready: false,
    waveform: [],
  }),
  'Held': recording({
    id: 'held',
    held: true,
    holds: [{ id: '1', reason: 'Case 2026-117, until the hearing', created_at: NOW }],
  }),
  'Uploading': recording({ id: 'uploading', title: 'Intake', status: 'uploading', uploaded_at: null, steps: [], ...soundless }),
  'Processing': recording({
    id: 'processing',
    title: 'Intake, J. M.',
    status: 'processing',
    progress: 0.41,
    ...wordless,
    steps: [step('probe'), step('playback'), step('peaks'), step('transcribe', { state: 'running', progress: 0.41 })],
  }),
  'Waiting for a worker': recording({
    id: 'waiting',
    status: 'uploaded',
    ...soundless,
    steps: [step('probe', waiting), step('playback', waiting), step('peaks', waiting), step('transcribe', waiting)],
  }),
  'Transcribed': recording({ id: 'done' }),
  'Silence': recording({ id: 'silence', title: 'Empty room' }),
  'Partial': recording({
    id: 'partial',
    title: 'Without a waveform',
    peaks_ready: false,
    waveform: [],
    steps: [
      step('probe'),
      step('playback'),
      step('peaks', { state: 'failed', error_code: 'MEDIA_LIMIT', error_message: 'It took longer than 60 s.' }),
      step('transcribe', { warnings: ['The best engine was not ready; pocketsphinx was used.'] }),
    ],
  }),
  'Failed words': recording({
    id: 'failed',
    title: 'Lecture 4: roots',
    status: 'failed',
    processing_error: noModel,
    error_code: 'ENGINE_FAILED',
    ...wordless,
    steps: [
      step('probe'),
      step('playback'),
      step('peaks'),
      step('transcribe', { state: 'failed', attempts: 3, error_code: 'ENGINE_FAILED', error_message: noModel }),
    ],
  }),
  'Failed file': recording({
    id: 'broken',
    title: 'Notes',
    status: 'failed',
    processing_error: noSound,
    error_code: 'MEDIA_UNREADABLE',
    ...soundless,
    steps: [
      step('probe', { state: 'failed', error_code: 'MEDIA_UNREADABLE', error_message: noSound }),
      step('playback', { state: 'skipped' }),
      step('peaks', { state: 'skipped' }),
      step('transcribe', { state: 'skipped' }),
    ],
  }),
  'No words asked for': recording({ id: 'processed', title: 'Music', status: 'processed', ...wordless }),
  'In the trash': recording({ id: 'trash', title: 'Old one', is_deleted: true, deleted_at: NOW }),
};

export function transcript(id: string, sentences: readonly string[]): Transcript {
  return {
    recording_id: id,
    version: 1,
    engine: 'faster-whisper',
    model: 'small',
    device: 'cpu',
    language: 'en',
    language_probability: 0.99,
    confidence: 0.93,
    duration_seconds: 1864,
    warnings: [],
    text: sentences.join(' '),
    created_at: LATER,
    segments: sentences.map((text, index) => ({
      start: index * 12,
      end: index * 12 + 6,
      speaker: null,
      text,
      confidence: 0.9,
      words: text.split(' ').map((word, at) => ({
        text: word,
        start: index * 12 + at * 0.4,
        end: index * 12 + at * 0.4 + 0.3,
        confidence: 0.9,
      })),
    })),
  };
}

export const peaks = {
  start_seconds: 0,
  end_seconds: 1864,
  duration_seconds: 1864,
  data: Array.from({ length: 4000 }, (_, index) =>
    Math.round((index % 2 === 0 ? -110 : 110) * Math.abs(Math.sin(index / 70) * Math.sin(index / 500))),
  ),
};
