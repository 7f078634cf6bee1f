import net from "node:net";

/** Large and reused, so that the stand-ins cost the machine little beside the proxy they measure. */
const bufferBytes = 1024 * 1024;

/** What `net.connect` takes to read into one buffer; `take` gets a view that the next read overwrites. */
export function readingInto(take: (bytes: Buffer) => void): { onread: net.OnReadOpts } {
	return {
		onread: {
			buffer: Buffer.allocUnsafeSlow(bufferBytes),
			callback(length, { buffer, byteOffset }) {
				take(Buffer.from(buffer, byteOffset, length));
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

const block = Buffer.alloc(bufferBytes, "buildkit");

/** Writes this many bytes as fast as the peer takes them. */
export function writeBulk(socket: net.Socket, bytes: number): void {
	let left = bytes;
	const more = () => {
		while (left > 0) {
			const length = Math.min(left, block.length);
			left -= length;
			if (!socket.write(length === block.length ? block : block.subarray(0, length))) {
				socket.once("drain", more);
				return;
			}
		}
	};
	more();
}
