import { Duplex } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { expect, test } from "vitest";
import { TlsWire } from "./tls-wire.ts";

/** Gives out what it has received in the middle of a write, as Node's TLS does. */
class EagerSocket extends Duplex {
	readonly written: string[] = [];
	received: string[] = [];

	override _read(): void {}

	override _write(chunk: Buffer, _encoding: string, done: () => void): void {
		this.written.push(chunk.toString());
		for (const bytes of this.received.splice(0)) this.push(bytes);
		done();
	}
}

test("what comes in the middle of a write is told after it, whole and in order", async () => {
	const socket = new EagerSocket();
	const wire = new TlsWire(socket as unknown as TLSSocket);
	const told: string[] = [];
	let writing = false;
	wire.attach({
		onBytes(bytes) {
			expect(writing).toBe(false);
			told.push(bytes.toString());
			return true;
		},
		onEnd: () => told.push("end"),
		onClose: () => {},
	});
	await turn();
	socket.received = ["one ", "two "];
	writing = true;
	wire.write(Buffer.from("first"));
	writing = false;
	socket.push("three");
	socket.push(null);
	await turn();
	expect(socket.written).toEqual(["first"]);
	expect(told.join("")).toBe("one two threeend");
	expect(wire.bytesRead).toBe("one two three".length);
});
