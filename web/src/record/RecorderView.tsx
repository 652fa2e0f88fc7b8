import type { Recorder, RecorderSnapshot } from '@reelkeep/client';

import { BeforeRecording } from './BeforeRecording';
import { Notices } from './Notices';
import styles from './Record.module.css';
import { Stopped } from './Stopped';
import { WhileRecording } from './WhileRecording';

interface Props {
  recorder: Recorder;
  snapshot: RecorderSnapshot;
}

/** The recorder in whatever state it is; every state has its own panel, and what is wrong stands above. */
export function RecorderView({ recorder, snapshot }: Props) {
  return (
    <section className={styles['recorder']} data-state={snapshot.state}>
      <Notices recorder={recorder} snapshot={snapshot} />
      <Panel recorder={recorder} snapshot={snapshot} />
    </section>
  );
}

function Panel({ recorder, snapshot }: Props) {
  switch (snapshot.state) {
    case 'idle':
    case 'asking':
    case 'ready':
      return <BeforeRecording recorder={recorder} snapshot={snapshot} />;
    case 'recording':
    case 'paused':
    case 'stopping':
      return <WhileRecording recorder={recorder} snapshot={snapshot} />;
    case 'unsent':
    case 'sending':
    case 'safe':
      return <Stopped recorder={recorder} snapshot={snapshot} />;
  }
}
