import { memo, useCallback, useEffect, useMemo, useRef, useState, type MouseEvent, type RefObject } from 'react';
import { WindowVirtualizer, type WindowVirtualizerHandle } from 'virtua';

import type { Transcript } from '@/api/types';
import { clock } from '@/format/time';
import { t } from '@/messages';
import { Button } from '@/ui';

import { buildRows, rowAt, wordAt, wordAtOffset, type Row, type Rows } from './rows';
import { clearWord, markWord, offsetAt } from './spokenWord';
import styles from './Transcript.module.css';
import { useFollow } from './useFollow';
import type { SoundOfPage } from './useSound';

interface Props {
  transcript: Pick<Transcript, 'segments'> & { language?: string | null };
  sound: SoundOfPage;
  following: boolean;
  onFollow: (on: boolean) => void;
  /** Goes to the part before or after; filled in for the keys. */
  stepRef: RefObject<((direction: 1 | -1) => void) | null>;
  /** There is no sound to go to: times are told, and nothing is pressed. */
  mute?: boolean;
}

export function TranscriptText({ transcript, sound, following, onFollow, stepRef, mute = false }: Props) {
  const all = useMemo(() => buildRows(transcript), [transcript]);
  const mounted = useRef(new Map<number, HTMLElement>());
  const list = useRef<WindowVirtualizerHandle>(null);
  const remark = useRef<(row: number) => void>(null);
  const current = useSpoken(all, sound, mounted, remark);
  const { now, seek } = sound;

  useEffect(() => {
    stepRef.current = (direction) => {
      const target = all.rows[Math.max(0, rowAt(all.rows, now() + 0.05) + direction)];
      if (target) void seek(target.start);
    };
    return () => {
      stepRef.current = null;
    };
  }, [stepRef, all, now, seek]);

  const scrollTo = useCallback((row: number, smooth: boolean) => {
    list.current?.scrollToIndex(row, { align: 'center', smooth });
  }, []);
  // Before anything was heard there is nothing to follow: the page opens at its top.
  const heard = sound.here && current >= 0 && (sound.playing || now() > 0);
  useFollow({ current, following: following && heard, onFollow, mounted, scrollTo });

  const playWord = useCallback(
    (index: number, event: MouseEvent<HTMLElement>) => {
      const row = all.rows[index];
      if (!row || document.getSelection()?.isCollapsed === false) return;
      const offset = offsetAt(event.currentTarget, event.clientX, event.clientY);
      const word = offset === null ? -1 : wordAtOffset(all, row, offset);
      void seek(all.starts[word] ?? row.start, true);
    },
    [all, seek],
  );
  const playRow = useCallback((row: Row) => void seek(row.start, true), [seek]);
  const mount = useCallback((index: number, element: HTMLElement | null) => {
    if (element) {
      mounted.current.set(index, element);
      remark.current?.(index);
    } else {
      mounted.current.delete(index);
    }
  }, []);

  return (
    <div className={styles['transcript']} lang={transcript.language ?? undefined}>
      <div role="list" aria-label={t.recording.transcript}>
        <WindowVirtualizer ref={list}>
          {all.rows.map((row, index) => (
            <RowView
              key={index}
              row={row}
              index={index}
              count={all.rows.length}
              current={index === current}
              onPlay={mute ? undefined : playRow}
              onWord={mute ? undefined : playWord}
              onMount={mount}
            />
          ))}
        </WindowVirtualizer>
      </div>
      {!following && heard && (
        <div className={styles['jump']}>
          <Button variant="filled" onClick={() => onFollow(true)}>
            {t.player.jump(clock(all.rows[current]?.start ?? 0))}
          </Button>
        </div>
      )}
    </div>
  );
}

/** Follows the sound: marks the word itself, tells React only when another row is heard. */
function useSpoken(
  all: Rows,
  sound: SoundOfPage,
  mounted: RefObject<Map<number, HTMLElement>>,
  remarkRef: RefObject<((row: number) => void) | null>,
): number {
  const [current, setCurrent] = useState(-1);
  const { subscribe, now } = sound;
  useEffect(() => {
    let word = -1;
    const rowOf = () => (word >= 0 ? (all.rowOf[word] ?? -1) : -1);
    const mark = () => markWord(mounted.current.get(rowOf()), all.from[word] ?? 0, all.to[word] ?? 0);
    const follow = (seconds: number) => {
      word = wordAt(all.starts, seconds, word);
      if (word >= 0) mark();
      else clearWord();
      setCurrent(rowOf());
    };
    follow(now());
    // A row that comes into the window after a far jump is marked then, also while nothing plays.
    remarkRef.current = (row) => {
      if (row === rowOf()) mark();
    };
    const stop = subscribe(follow);
    return () => {
      stop();
      remarkRef.current = null;
      clearWord();
    };
  }, [all, subscribe, now, mounted, remarkRef]);
  return current;
}

interface RowProps {
  row: Row;
  index: number;
  count: number;
  current: boolean;
  onPlay: ((row: Row) => void) | undefined;
  onWord: ((index: number, event: MouseEvent<HTMLElement>) => void) | undefined;
  onMount: (index: number, element: HTMLElement | null) => void;
}

const RowView = memo(function RowView({ row, index, count, current, onPlay, onWord, onMount }: RowProps) {
  const keep = useCallback((element: HTMLElement | null) => onMount(index, element), [index, onMount]);
  return (
    <div
      role="listitem"
      className={styles['row']}
      aria-setsize={count}
      aria-posinset={index + 1}
      aria-current={current ? 'time' : undefined}
    >
      {onPlay ? (
        <button
          type="button"
          className={styles['time']}
          aria-label={t.recording.playFrom(clock(row.start))}
          onClick={() => onPlay(row)}
        >
          {clock(row.start)}
        </button>
      ) : (
        <time className={styles['stillTime']}>{clock(row.start)}</time>
      )}
      <div className={styles['said']}>
        {row.speaker && <span className={styles['speaker']}>{row.speaker}</span>}
        {/* The time button beside it is the keyboard's way to the same. */}
        {/* eslint-disable-next-line jsx-a11y/click-events-have-key-events, jsx-a11y/no-noninteractive-element-interactions */}
        <p ref={keep} dir="auto" className={styles['text']} data-mute={!onWord || undefined} onClick={onWord && ((event) => onWord(index, event))}>
          {row.text}
        </p>
      </div>
    </div>
  );
});
