import { useState, type SyntheticEvent } from 'react';

/** A form that is sent once at a time and keeps what was typed when it fails. */
export function useForm<Values extends Record<string, string>, Answer>(
  initial: Values,
  send: (values: Values) => Promise<Answer>,
  onDone: (answer: Answer) => void,
) {
  const [values, setValues] = useState(initial);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const field = (name: keyof Values) => ({
    value: values[name] ?? '',
    onChange: (event: { currentTarget: { value: string } }) => {
      const { value } = event.currentTarget;
      setValues((before) => ({ ...before, [name]: value }));
    },
  });
  const submit = (event: SyntheticEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    send(values)
      .then(onDone, setError)
      .finally(() => setBusy(false));
  };
  return { field, submit, busy, error };
}
