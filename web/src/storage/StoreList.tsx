import type { CopyStates, StorageInfo, StorageUsage } from '@/api/types';
import { fileSize } from '@/format/bytes';
import { money } from '@/format/money';
import { t } from '@/messages';

import { Command } from './Command';
import styles from './Storage.module.css';
import { storesOf, type StateName, type StoreTold } from './stores';

interface Props {
  usage: StorageUsage;
  states: CopyStates | undefined;
  info: StorageInfo | undefined;
}

const WORDS: readonly StateName[] = ['missing', 'damaged', 'making', 'deleting'];

export function StoreList({ usage, states, info }: Props) {
  return (
    <section aria-labelledby="storage-stores" className={styles['stores']}>
      <h2 id="storage-stores">{t.storage.stores}</h2>
      <ul className={styles['rows']}>
        {storesOf(usage, states, info).map((store) => (
          <StoreRow key={store.name} store={store} currency={usage.currency} />
        ))}
      </ul>
    </section>
  );
}

function StoreRow({ store, currency }: { store: StoreTold; currency: string | null }) {
  const percent = Math.round(store.share * 100);
  return (
    <li className={styles['store']}>
      <div className={styles['head']}>
        <h3>
          <bdi>{store.name}</bdi>
        </h3>
        {store.copies > 0 ? (
          <>
            <span className="figures">{t.storage.kept(fileSize(store.bytes), store.copies)}</span>
            <span className={styles['price']}>{price(store.costPerMonth, currency)}</span>
          </>
        ) : (
          <span className="muted">{t.storage.holdsNothing}</span>
        )}
      </div>
      <About store={store} />
      {store.bytes > 0 && (
        <div className={styles['share']}>
          <div className={styles['bar']} aria-hidden>
            <div style={{ inlineSize: `${percent}%` }} />
          </div>
          <span className={styles['note']}>{t.storage.share(percent)}</span>
        </div>
      )}
      {store.move && <p>{move(store)}</p>}
      {store.move && store.move.state !== 'done' && (
        <Command
          text={store.move.state === 'paused' ? t.storage.resumeIt : t.storage.pauseIt}
          command={`reelkeep storage migrate --from ${store.name} --${store.move.state === 'paused' ? 'resume' : 'pause'}`}
        />
      )}
      {store.classes.length > 1 && <Classes store={store} currency={currency} />}
      {WORDS.filter((state) => store[state] > 0).map((state) => (
        <p key={state} className={styles[state === 'missing' || state === 'damaged' ? 'warn' : 'note']}>
          {t.storage[state](store[state])}
        </p>
      ))}
    </li>
  );
}

/** What it is and what it is for. */
function About({ store }: { store: StoreTold }) {
  const said = [
    store.spec && (store.spec.kind === 'local' ? t.storage.folder : t.storage.bucket(store.spec.bucket, store.spec.region)),
    store.isPrimary && t.storage.primary,
    store.isFallback && t.storage.fallback,
  ].filter((one) => typeof one === 'string');
  return (
    <>
      {said.length > 0 && <p className={styles['note']}>{said.join(' · ')}</p>}
      {store.forgotten && <p className={styles['warn']}>{t.storage.forgotten}</p>}
    </>
  );
}

function Classes({ store, currency }: { store: StoreTold; currency: string | null }) {
  return (
    <ul className={styles['classes']} aria-label={t.storage.classes(store.name)}>
      {store.classes.map((one) => (
        <li key={one.storage_class}>
          <bdi>{one.storage_class || t.storage.noClass}</bdi>
          <span className="figures">{t.storage.kept(fileSize(one.bytes), one.copies)}</span>
          <span className={styles['price']}>
            {price(one.cost_per_month === null ? null : Number(one.cost_per_month), currency)}
          </span>
        </li>
      ))}
    </ul>
  );
}

/** Copies that only outlive links to them are not on their way any more. */
const move = ({ move: to, copies, deleting }: StoreTold) =>
  to?.state === 'done'
    ? t.storage.moved(to.target)
    : t.storage.moving(to?.target ?? null, Math.max(0, copies - deleting), to?.state === 'paused');

const price = (cost: number | null, currency: string | null) =>
  cost === null || currency === null ? t.storage.noPrices : t.storage.perMonth(money(cost, currency));
