/** AES-GCM under the key of one recording: what was encrypted for one place is decrypted for no other. */

const NONCE_BYTES = 12;
/** How much longer encrypted bytes are: nonce and tag. */
export const CIPHER_BYTES = NONCE_BYTES + 16;

export class Cipher {
  constructor(private readonly key: CryptoKey) {}

  /**
   * Nonce, then ciphertext and tag. The nonce is drawn at random, not counted: after a crash a counter would
   * give the same one to other bytes. One recording needs some thousand, far from where 96 bits would meet.
   */
  async encrypt(bytes: Uint8Array, place: string): Promise<Uint8Array<ArrayBuffer>> {
    const iv = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const clear = bytes as Uint8Array<ArrayBuffer>;
    const hidden = await crypto.subtle.encrypt(under(iv, place), this.key, clear);
    const whole = new Uint8Array(NONCE_BYTES + hidden.byteLength);
    whole.set(iv);
    whole.set(new Uint8Array(hidden), NONCE_BYTES);
    return whole;
  }

  /** Throws where a byte of it was changed, it stood in another place, or the key is another. */
  async decrypt(encrypted: Uint8Array, place: string): Promise<Uint8Array<ArrayBuffer>> {
    const whole = encrypted as Uint8Array<ArrayBuffer>;
    const [iv, hidden] = [whole.subarray(0, NONCE_BYTES), whole.subarray(NONCE_BYTES)];
    return new Uint8Array(await crypto.subtle.decrypt(under(iv, place), this.key, hidden));
  }
}

const under = (iv: Uint8Array<ArrayBuffer>, place: string) => ({
  name: 'AES-GCM',
  iv,
  additionalData: new TextEncoder().encode(`reelkeep/1 ${place}`),
});
