/** AES-GCM under the key of one recording: what is sealed opens in its own place alone. */

const NONCE_BYTES = 12;
/** How much longer it is sealed: nonce and tag. */
export const SEAL_BYTES = NONCE_BYTES + 16;

export class Seal {
  constructor(private readonly key: CryptoKey) {}

  /**
   * Nonce, then ciphertext and tag. The nonce is drawn at random, not counted: after a crash a counter would give
   * the same one to other bytes. One recording has some thousand seals, far from where 96 bits would meet.
   */
  async close(bytes: Uint8Array, place: string): Promise<Uint8Array<ArrayBuffer>> {
    const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const sealed = await crypto.subtle.encrypt(under(iv, place), this.key, bytes as Uint8Array<ArrayBuffer>);
    const whole = new Uint8Array(NONCE_BYTES + sealed.byteLength);
    whole.set(iv);
    whole.set(new Uint8Array(sealed), NONCE_BYTES);
    return whole;
  }

  /** Throws where a byte of it was changed, it stood in another place, or the key is another. */
  async open(sealed: Uint8Array, place: string): Promise<Uint8Array<ArrayBuffer>> {
    const whole = sealed as Uint8Array<ArrayBuffer>;
    const iv = whole.subarray(0, NONCE_BYTES);
    return new Uint8Array(await crypto.subtle.decrypt(under(iv, place), this.key, whole.subarray(NONCE_BYTES)));
  }
}

const under = (iv: Uint8Array<ArrayBuffer>, place: string) => ({
  name: 'AES-GCM',
  iv,
  additionalData: new TextEncoder().encode(`reelkeep/1 ${place}`),
});
