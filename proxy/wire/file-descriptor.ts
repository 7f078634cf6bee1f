import type { Socket } from "node:net";

/** The socket's, by Node's own handle; undefined once it is closed. Ask each time: a closed one's number is given again. */
export function fileDescriptor(socket: Socket): number | undefined {
	const fd: unknown = Reflect.get(Reflect.get(socket, "_handle") ?? {}, "fd");
	return typeof fd === "number" && fd >= 0 ? fd : undefined;
}
