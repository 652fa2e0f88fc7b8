// tus-js-client in Node. One argument, JSON: {endpoint, file, headers, metadata, chunkSize?, deferLength?,
// cutAfter?, uploadUrl?, duringCreation?, abort?, protocol?}. Prints what came of it, as JSON.
import { createReadStream, readFileSync } from "node:fs"
import { PassThrough } from "node:stream"
import { Upload } from "tus-js-client"

const asked = JSON.parse(process.argv[2])
// Not the file stream itself: the client waits for ever at its end.
const source = asked.deferLength ? createReadStream(asked.file).pipe(new PassThrough()) : readFileSync(asked.file)
const statuses = []
let cut = false

const tell = (result) => {
  console.log(JSON.stringify({ ...result, url: upload.url, statuses }))
  process.exit(0)
}
const upload = new Upload(source, {
  endpoint: asked.endpoint,
  protocol: asked.protocol ?? "tus-v1",
  uploadUrl: asked.uploadUrl ?? null,
  headers: asked.headers ?? {},
  metadata: asked.metadata ?? {},
  chunkSize: asked.chunkSize ?? Number.POSITIVE_INFINITY,
  uploadLengthDeferred: asked.deferLength ?? false,
  uploadDataDuringCreation: asked.duringCreation ?? false,
  retryDelays: [50, 200, 500],
  onAfterResponse: (request, response) => {
    statuses.push(`${request.getMethod()} ${response.getStatus()}`)
  },
  onProgress: (sent) => {
    if (asked.cutAfter && sent >= asked.cutAfter && !cut) {
      cut = true
      upload.abort(asked.abort ?? false).then(() => tell({ state: "cut", sent }), (error) => tell({ state: "failed", error: String(error) }))
    }
  },
  onSuccess: () => tell({ state: "done" }),
  onError: (error) => {
    const response = error.originalResponse
    tell({ state: "failed", status: response?.getStatus(), body: response?.getBody(), error: String(error) })
  },
})
upload.start()
