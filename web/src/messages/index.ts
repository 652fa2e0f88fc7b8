/** The words on the page. A language is one module of the same type; `t` is the reader's. */
import { en, type Messages } from './en';

const catalogues: Record<string, Messages> = { en };

const wanted = typeof navigator === 'undefined' ? 'en' : navigator.language;
const language = wanted.split('-')[0] ?? 'en';

/** Used for words and for Intl alike, so that a page never mixes two languages. */
export const locale = language in catalogues ? wanted : 'en';
export const t: Messages = catalogues[language] ?? en;
