import styles from './Storage.module.css';

/** What somebody types on the server, and why. */
export function Command({ text, command }: { text: string; command: string }) {
  return (
    <p className={styles['command']}>
      {text} <code>{command}</code>
    </p>
  );
}
