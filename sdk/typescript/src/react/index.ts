/** `@reelkeep/client/react`: the client as hooks, and a plain recorder without styles. */
export { useLevel, useRecorder, useRecorderSnapshot, useUnsent, type UsedRecorder } from './hooks';
export { Recorder, type RecorderProps } from './Recorder';
export { english, type Words } from './words';
