/** Whether this page records now. Apart from the recorder, so that asking does not load it. */
let now = false;

export const isRecording = () => now;

export function setRecording(on: boolean): void {
  now = on;
}
