/** Marks the word that is heard, without touching the page's elements: one range in one CSS highlight. */
const NAME = 'spoken';

const highlights: HighlightRegistry | null =
  typeof CSS !== 'undefined' && 'highlights' in CSS && typeof Highlight !== 'undefined' ? CSS.highlights : null;

let range: Range | null = null;

/** Marks characters of an element that has one text node; false when the browser cannot or they are not there. */
export function markWord(element: HTMLElement | undefined, from: number, to: number): boolean {
  const node = element?.firstChild;
  if (!highlights || !(node instanceof Text) || to > node.length) {
    clearWord();
    return false;
  }
  if (!range) {
    range = document.createRange();
    highlights.set(NAME, new Highlight(range));
  }
  range.setStart(node, from);
  range.setEnd(node, to);
  return true;
}

export function clearWord(): void {
  highlights?.delete(NAME);
  range = null;
}

/** The character of a text that a point on the screen is over; null when it is over none. */
export function offsetAt(element: HTMLElement, x: number, y: number): number | null {
  const found =
    'caretPositionFromPoint' in document
      ? place(document.caretPositionFromPoint(x, y))
      : place(caretRange(x, y));
  return found && element.contains(found.node) ? found.offset : null;
}

interface Place {
  node: Node;
  offset: number;
}

function place(at: CaretPosition | Range | null): Place | null {
  if (!at) return null;
  return at instanceof Range
    ? { node: at.startContainer, offset: at.startOffset }
    : { node: at.offsetNode, offset: at.offset };
}

/** Safari before 18.4 knows only the older name. */
function caretRange(x: number, y: number): Range | null {
  const older = document as unknown as { caretRangeFromPoint?: (x: number, y: number) => Range | null };
  return older.caretRangeFromPoint?.(x, y) ?? null;
}
