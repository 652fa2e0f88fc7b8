import { locale } from '@/messages';

/** `€1.77`: an amount in a currency by its three letters; small ones keep what tells them from nothing. */
export function money(amount: number, currency: string): string {
  const small = amount > 0 && amount < 0.01;
  return new Intl.NumberFormat(locale, {
    style: 'currency',
    currency,
    ...(small ? { maximumSignificantDigits: 2 } : {}),
  }).format(amount);
}
