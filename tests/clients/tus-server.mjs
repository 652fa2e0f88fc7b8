// The reference: @tus/server with its file store, on a free port. Prints its address, then serves.
import { FileStore } from "@tus/file-store"
import { Server } from "@tus/server"

const [directory] = process.argv.slice(2)
const server = new Server({ path: "/files", datastore: new FileStore({ directory }) })
const listening = server.listen({ host: "127.0.0.1", port: 0 }, () => {
  console.log(`http://127.0.0.1:${listening.address().port}/files`)
})
