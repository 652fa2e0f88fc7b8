import type { ReactNode } from 'react';

import type { RecordingDetail, Transcript } from '@/api/types';
import { fileSize } from '@/format/bytes';
import { clock, dateAndTime } from '@/format/time';
import { locale, t } from '@/messages';

import styles from './Recording.module.css';
import { SameBytes } from './SameBytes';
import { Steps } from './Steps';

/** Who made the words and from what: the machine's honest account. */
export function Details({ recording, transcript }: { recording: RecordingDetail; transcript: Transcript | undefined }) {
  const language = transcript?.language ?? recording.transcript_language;
  const confidence = transcript?.confidence ?? recording.transcript_confidence;
  // Those of a step stand beside it.
  const told = new Set(recording.steps.flatMap((step) => step.warnings));
  const warnings = [...new Set([...recording.warnings, ...(transcript?.warnings ?? [])])].filter((one) => !told.has(one));
  return (
    <div className={styles['details']}>
      {recording.steps.length > 0 && (
        <>
          <h2>{t.recording.steps}</h2>
          <Steps recording={recording} />
        </>
      )}
      <h2>{t.recording.details}</h2>
      {recording.duplicate_of && <SameBytes id={recording.duplicate_of} />}
      <dl className={styles['facts']}>
        <Fact name={t.recording.engine}>{transcript?.engine ?? recording.transcription_service}</Fact>
        <Fact name={t.recording.model}>{transcript?.model}</Fact>
        <Fact name={t.recording.device}>{transcript?.device}</Fact>
        <Fact name={t.recording.language}>{language && languageName(language)}</Fact>
        <Fact name={t.recording.confidence}>{confidence !== null && t.recording.percent(confidence)}</Fact>
        <Fact name={t.recording.file}>{recording.original_filename}</Fact>
        <Fact name={t.recording.type}>{recording.mime_type}</Fact>
        <Fact name={t.recording.size}>{recording.file_size_bytes !== null && fileSize(recording.file_size_bytes)}</Fact>
        <Fact name={t.recording.length}>{recording.duration_seconds !== null && clock(recording.duration_seconds)}</Fact>
        <Fact name={t.recording.recorded}>{dateAndTime(recording.uploaded_at ?? recording.created_at)}</Fact>
        <Fact name={t.recording.digest}>{recording.sha256 && <code>{recording.sha256}</code>}</Fact>
      </dl>
      {warnings.length > 0 && (
        <>
          <h2>{t.recording.warnings}</h2>
          <ul className={styles['warnings']}>
            {warnings.map((warning) => (
              <li key={warning}>
                {t.note(warning)}
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  if (!children) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd dir="auto">{children}</dd>
    </div>
  );
}

function languageName(code: string): string {
  try {
    return new Intl.DisplayNames(locale, { type: 'language' }).of(code) ?? code;
  } catch {
    return code;
  }
}
