/** The value that lets this page's own styles pass its Content-Security-Policy; made anew for each answer. */
export function styleNonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? '';
}
