/** The server's shapes, by the names that the page uses. */
import type { components } from './schema';

type Schemas = components['schemas'];
export type Me = Schemas['MeOut'];
export type Policies = Schemas['PoliciesOut'];
export type Info = Schemas['InfoOut'];
export type Link = Schemas['LinkOut'];
export type Recording = Schemas['RecordingOut'];
export type RecordingDetail = Schemas['RecordingDetailOut'];
export type RecordingList = Schemas['RecordingListOut'];
export type RecordingStatus = Recording['status'];
export type Step = Schemas['StepOut'];
export type SignedUrl = Schemas['SignedUrlOut'];
export type Peaks = Schemas['PeaksOut'];
export type Transcript = Schemas['TranscriptOut'];
export type Segment = Schemas['SegmentOut'];
export type Word = Schemas['WordOut'];
export type Engines = Schemas['EnginesOut'];
export type StorageUsage = Schemas['StorageUsageOut'];
export type StorageInfo = Schemas['StorageInfoOut'];
export type CopyStates = Schemas['CopyStatesOut'];
export type Backups = Schemas['BackupsOut'];
export type MovePreview = Schemas['MovePreviewOut'];
export type Ticket = Schemas['InitiateOut'];
