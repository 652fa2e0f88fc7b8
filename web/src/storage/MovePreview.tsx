import { useMutation } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';

import { previewMove } from '@/api/changes';
import type { MovePreview as Preview, StorageInfo } from '@/api/types';
import { fileSize } from '@/format/bytes';
import { money } from '@/format/money';
import { t } from '@/messages';
import { Button, Problem } from '@/ui';
import { Select } from '@/ui/shell';

import { Command } from './Command';
import styles from './Storage.module.css';

const words = t.storage.move;
/** Away from a store, to wherever the rules want its copies besides. */
const RULES = '';

/** What leaving a store would do and cost, before anybody begins it. Beginning it is the operator's. */
export function MovePreview({ info }: { info: StorageInfo }) {
  const names = info.stores.map((store) => store.name);
  const [source, setSource] = useState(info.primary);
  const [chosen, setTarget] = useState<string | null>(null);
  const others = names.filter((name) => name !== source);
  const target = chosen !== null && chosen !== source ? chosen : (others[0] ?? RULES);
  const dryRun = useMutation({ mutationFn: previewMove });
  const asked = dryRun.variables;
  const isAnswer = asked?.source === source && (asked.target ?? RULES) === target;
  return (
    <section aria-labelledby="storage-move" className={styles['stores']}>
      <h2 id="storage-move">{words.title}</h2>
      <div className={styles['tile']}>
        <p className={styles['note']}>{others.length === 0 ? words.oneStore : words.text}</p>
        {others.length > 0 && (
          <form
            className={styles['form']}
            onSubmit={(event) => {
              event.preventDefault();
              dryRun.mutate({ source, target: target === RULES ? null : target });
            }}
          >
            <Field name={words.from}>
              <Select label={words.from} value={source} onChange={setSource} data={names.map(same)} />
            </Field>
            <Field name={words.to}>
              <Select
                label={words.to}
                value={target}
                onChange={setTarget}
                data={[...others.map(same), { value: RULES, label: words.byRules }]}
              />
            </Field>
            <Button type="submit" disabled={dryRun.isPending}>
              {dryRun.isPending ? words.looking : words.look}
            </Button>
          </form>
        )}
        <div role="status" className={styles['result']}>
          {isAnswer && dryRun.isError && <Problem small copy={false} title={words.failed} error={dryRun.error} />}
          {isAnswer && dryRun.data && <Result found={dryRun.data} />}
        </div>
      </div>
    </section>
  );
}

function Field({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className={styles['field']}>
      <span aria-hidden>{name}</span>
      {children}
    </div>
  );
}

function Result({ found }: { found: Preview }) {
  const nothing = found.make.length + found.remove.length === 0;
  return (
    <>
      <h3>{words.result}</h3>
      {nothing ? (
        <p>{words.nothing}</p>
      ) : (
        <ul className={styles['classes']}>
          {found.make.map((one) => (
            <li key={`make ${one.store} ${one.storage_class}`}>{words.make(place(one), one.copies, fileSize(one.bytes))}</li>
          ))}
          {found.remove.map((one) => (
            <li key={`remove ${one.store} ${one.storage_class}`}>
              {words.remove(place(one), one.copies, fileSize(one.bytes))}
            </li>
          ))}
        </ul>
      )}
      {found.lost > 0 && <p className={styles['warn']}>{words.lost(found.lost)}</p>}
      {!found.all_looked_at && <p className={styles['note']}>{words.more}</p>}
      {!nothing && <Costs found={found} />}
      {!nothing && <Command text={words.begin} command={beginning(found)} />}
    </>
  );
}

function Costs({ found }: { found: Preview }) {
  const { cost_once: once, cost_per_month_more: more, currency, stores_without_prices: without } = found;
  if (once === null || more === null || currency === null) return <p className={styles['note']}>{words.noPrices}</p>;
  const monthly = Number(more);
  return (
    <>
      <p>
        {words.costs(
          money(Number(once), currency),
          monthly === 0 ? null : money(Math.abs(monthly), currency),
          monthly < 0,
        )}
      </p>
      {without.length > 0 && <p className={styles['note']}>{t.storage.without(without)}</p>}
    </>
  );
}

const same = (name: string) => ({ value: name, label: name });

const place = (one: { store: string; storage_class: string }) => [one.store, one.storage_class].filter(Boolean).join(' ');

const beginning = ({ source, target }: Preview) =>
  target === null ? `reelkeep storage drain ${source}` : `reelkeep storage migrate --from ${source} --to ${target}`;
