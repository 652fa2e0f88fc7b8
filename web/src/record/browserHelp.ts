/** The exact way to the microphone's switch, in the words of this browser. */
import { t } from '@/messages';

export function blockedHelp(where: 'browser' | 'system' | 'unknown', agent: string = navigator.userAgent): string {
  if (where === 'system') return t.record.deniedSystem;
  if (/iPhone|iPad/.test(agent)) return t.record.deniedIphone;
  if (/Android/.test(agent)) return t.record.deniedAndroid;
  if (/Firefox\//.test(agent)) return t.record.deniedFirefox;
  if (/Chrome\/|Edg\//.test(agent)) return t.record.deniedChrome;
  if (/Safari\//.test(agent)) return t.record.deniedSafari;
  return t.record.deniedOther;
}
