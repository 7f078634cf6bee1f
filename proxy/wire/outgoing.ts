import type { Socket } from "node:net";
import { fileDescriptor } from "./file-descriptor.ts";
import { type KernelPipe, KernelPipes, kernelPipes } from "./kernel-pipe.ts";

/** Moved at a time, before it is others' turn. */
const maxMoves = 8;
/** What Node writes when the kernel has no room for more: enough for it to tell when there is room again. */
const awaitedBytes = 16 * 1024;

/** The writing half of a socket: what Node is to write, and after it what the kernel already has of the other socket. */
export class Outgoing {
	readonly #socket: Socket;
	#inKernel: KernelPipe | undefined;

	constructor(socket: Socket) {
		this.#socket = socket;
	}

	get pendingBytes(): number {
		return this.#socket.writableLength + (this.#inKernel?.bytes ?? 0);
	}

	/** Bytes that stay as they are until they are written. */
	write(bytes: Uint8Array): void {
		this.#takeFromKernel();
		this.#socket.write(bytes);
	}

	/** Has the kernel move what has come to `source`, if nothing else is pending; returns how much it took. */
	moveFrom(source: Socket): number {
		const pipes = kernelPipes();
		const pipe = pipes instanceof KernelPipes && this.pendingBytes === 0 ? pipes.lend() : undefined;
		if (pipe === undefined) return 0;
		this.#inKernel = pipe;
		let taken = 0;
		for (let moves = 0; moves < maxMoves && pipe.bytes === 0; moves++) {
			const [from, into] = [fileDescriptor(source), fileDescriptor(this.#socket)];
			if (from === undefined || into === undefined || pipe.fill(from) === 0) break;
			taken += pipe.bytes;
			pipe.give(into);
		}
		this.giveOn();
		return taken;
	}

	/** Called when Node has written all that it had: gives on what is in the kernel. False if "drain" is to be awaited again. */
	giveOn(): boolean {
		const pipe = this.#inKernel;
		while (pipe !== undefined && pipe.bytes > 0) {
			this.#socket.write(pipe.read(awaitedBytes));
			if (this.#socket.writableLength > 0) return false;
			const into = fileDescriptor(this.#socket);
			if (into !== undefined) pipe.give(into);
		}
		this.#giveBack();
		return true;
	}

	/** Ends the direction after all of it. */
	end(): void {
		this.#takeFromKernel();
		this.#socket.end();
	}

	/** The socket is gone. */
	closed(): void {
		this.#giveBack();
	}

	/** Leaves to Node what is in the kernel, so that more can come after it. */
	#takeFromKernel(): void {
		if (this.#inKernel === undefined) return;
		this.#socket.write(this.#inKernel.read(this.#inKernel.bytes));
		this.#giveBack();
	}

	#giveBack(): void {
		if (this.#inKernel === undefined) return;
		const pipes = kernelPipes();
		if (pipes instanceof KernelPipes) pipes.takeBack(this.#inKernel);
		this.#inKernel = undefined;
	}
}
