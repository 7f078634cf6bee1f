import net from "node:net";

/** Large and reused, so that the stand-ins cost the machine little beside the proxy they measure. */
const bufferBytes = 1024 * 1024;

/** One for all sockets of a process: bytes are taken within the call that brings them. */
const buffer = Buffer.allocUnsafeSlow(bufferBytes);

/** What `net.connect` takes to read into the buffer; `take` gets a view that the next read overwrites. */
export function readingInto(take: (bytes: Buffer) => void): { onread: net.OnReadOpts } {
	return {
		onread: {
			buffer,
			callback(length, { buffer: bytes, byteOffset }) {
				take(Buffer.from(bytes, byteOffset, length));
				return true;
			},
		},
	};
}

/**
 * The same for a socket that a server accepted with `pauseOnConnect`. Servers have no `onread` (Node 26), so the
 * handle moves into a socket that has it.
 */
export function readAccepted(accepted: net.Socket, take: (bytes: Buffer) => void): net.Socket {
	const handle: unknown = Reflect.get(accepted, "_handle");
	Reflect.set(accepted, "_handle", null);
	accepted.destroy();
	const socket: net.Socket = Reflect.construct(net.Socket, [{ ...readingInto(take), handle }]);
	socket.resume();
	return socket;
}
