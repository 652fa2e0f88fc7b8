/** Lets few requests through at a time, the longest waiting recording first. */
export class Gate {
  private inside = 0;
  private readonly waiting: { readonly rank: number; readonly enter: () => void }[] = [];

  constructor(private readonly places: number) {}

  async pass<T>(rank: number, work: () => Promise<T>): Promise<T> {
    if (this.inside >= this.places) await new Promise<void>((enter) => this.waiting.push({ rank, enter }));
    else this.inside += 1;
    try {
      return await work();
    } finally {
      this.leave();
    }
  }

  /** The place goes to the next; nobody can slip in between. */
  private leave(): void {
    const next = this.waiting.reduce<number>(
      (best, one, index) => (best < 0 || one.rank < (this.waiting[best]?.rank ?? Infinity) ? index : best),
      -1,
    );
    const [entered] = next < 0 ? [] : this.waiting.splice(next, 1);
    if (entered === undefined) this.inside -= 1;
    else entered.enter();
  }
}
