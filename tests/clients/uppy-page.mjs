// Uppy 6 as a host application's page has it: by multipart straight to the store, or by tus.
import AwsS3 from "@uppy/aws-s3"
import Uppy from "@uppy/core"
import Tus from "@uppy/tus"

const call = (server, token, path, body) =>
  fetch(`${server}/api/v1/recordings/upload/${path}`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify(body ?? {}),
  }).then(async (answer) => {
    if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`)
    return answer.json()
  })

// A sound, and silence behind it.
const blobOf = ({ bytes, silence, type }) => {
  const sound = Uint8Array.from(atob(bytes), (character) => character.charCodeAt(0))
  return new Blob([sound, new Uint8Array(silence)], { type })
}

// Each file gets its ticket first; its key then names it in every request that is to be signed.
export async function sendToStore({ server, token, name, type, multipart, ...content }) {
  const uppy = new Uppy()
  const signed = []
  uppy.addPreProcessor(async (ids) => {
    for (const id of ids) {
      const file = uppy.getFile(id)
      const ticket = await call(server, token, "initiate", {
        filename: file.name,
        content_type: file.type,
        size_bytes: file.size,
        method: "multipart",
        transcribe: false,
      })
      uppy.setFileMeta(id, { recording: ticket.recording_id, key: ticket.s3_key })
    }
  })
  uppy.addPostProcessor(async (ids) => {
    for (const id of ids) await call(server, token, `complete/${uppy.getFile(id).meta.recording}`)
  })
  uppy.use(AwsS3, {
    shouldUseMultipart: multipart,
    getChunkSize: () => 5 * 1024 * 1024,
    generateObjectKey: (file) => file.meta.key,
    signRequest: (request) => {
      signed.push([request.method, request.partNumber ?? null])
      return call(server, token, "sign", request)
    },
  })
  uppy.addFile({ name, type, data: blobOf({ ...content, type }) })
  const { successful, failed } = await uppy.upload()
  return { recording: successful[0]?.meta.recording, failed: failed.map((file) => file.error), signed }
}

export async function sendByTus({ server, token, name, type, ...content }) {
  const uppy = new Uppy()
  uppy.use(Tus, {
    endpoint: `${server}/api/v1/uploads/tus`,
    headers: { Authorization: `Bearer ${token}` },
    chunkSize: 2 * 1024 * 1024,
  })
  uppy.addFile({ name, type, data: blobOf({ ...content, type }) })
  const { successful, failed } = await uppy.upload()
  return { url: successful[0]?.uploadURL, failed: failed.map((file) => file.error) }
}
